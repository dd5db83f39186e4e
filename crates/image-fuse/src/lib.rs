//! Protected images as a mounted file system: the layers as one tree, for reading, each byte verified before the kernel
//! has it. What the kernel has once it keeps: nothing here ever changes.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attributes;
mod front;
mod mount;

pub use front::Listener;
pub use mount::{Mounted, Options};
