//! Shield.
fn main() {}
