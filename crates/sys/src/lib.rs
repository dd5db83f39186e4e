//! The calls into the kernel that need `unsafe`, and instructions of processors that do, as small functions that are safe
//! to use.
//!
//! What rustix offers safely is not repeated here. Linux only.
//!
//! This is the one crate that does not forbid `unsafe`; each block says why it is sound.
#![deny(missing_docs, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod allocator;
mod descriptors;
mod evidence_devices;
mod landlock;
mod memory;
mod mounts;
mod processes;
mod sha256;
mod signals;

pub use allocator::WipingAllocator;
pub use descriptors::{close_on_exec_from, close_others, place_descriptor, take_descriptor};
pub use evidence_devices::{NSM_ANSWER_BYTES, SNP_ANSWER_BYTES, nsm_exchange, snp_extended_report};
pub use landlock::{can_stay_among_own_processes, stay_among_own_processes};
pub use memory::prefer_large_pages;
pub use mounts::{AttachedFlags, set_mount_attributes};
pub use processes::{Fork, execute, fork, fork_into, reset_personality, unshare};
pub use rustix::thread::UnshareFlags;
pub use sha256::{LANES, sha256_of_four};
pub use signals::{
    SignalDescriptor, block_signals, end_on_signals, reset_signals, send_signal, survive_broken_pipes, unblock_signals,
};
