//! The calls into the kernel that need `unsafe`, as small functions that are safe to use.
//!
//! What rustix offers safely is not repeated here. Linux only.

mod descriptors;
mod mounts;
mod processes;
mod signals;

pub use descriptors::{close_on_exec_from, place_descriptor, take_descriptor};
pub use mounts::{AttachedFlags, set_mount_attributes};
pub use processes::{Fork, execute, fork, fork_into, unshare};
pub use rustix::thread::UnshareFlags;
pub use signals::{FORWARDED, SignalDescriptor, block_signals, reset_signals};
