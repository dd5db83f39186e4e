//! Sealed volumes as a mounted file system: translates FUSE's requests to a [`casemate_volume::Volume`], adds nothing.
//!
//! The kernel is the cache: it keeps names, attributes and data for as long as it likes (write-back included), since
//! nothing but this front changes a mounted volume. Names and permissions are the kernel's to check.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod acl;
mod attributes;
mod front;
mod known;
mod listing;
mod mount;
mod privileges;
mod searches;

pub use mount::{Mounted, Options, detach, unmount};
