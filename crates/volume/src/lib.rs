//! Sealed volumes: a file system in a few files of an untrusted host (spec/volume-format.md).
//!
//! Contents, names, sizes and structure are under one root, kept in an [`Anchor`] that the host cannot turn back. An
//! fsync appends to an intent log and flushes once; a checkpoint writes the tree's changed nodes and one of two
//! superblock slots. A [`Volume`] is the whole engine, [`Shared`] lets threads use one; fronts (FUSE, Python)
//! translate to it and add nothing.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod anchor;
mod environment;
mod error;
mod format;
pub mod host;
mod log;
mod seal;
mod shared;
mod space;
mod store;
mod tree;
mod volume;

pub use anchor::Anchor;
pub use environment::{Clock, Random, SystemClock, SystemRandom};
pub use error::Error;
pub use format::Roots;
pub use format::inode::Time;
pub use host::Host;
pub use seal::VolumeKey;
pub use shared::{Keeper, Listener, Shared, Upkeep};
pub use volume::{
    Allocate, Attributes, Changes, Copied, CopyOf, Entry, Environment, Finding, Findings, Form, Freshness, New,
    OriginInfo, ROOT, Rename, Report, Seek, SnapshotInfo, Statistics, Status, Volume,
};

/// Decoders of what the host hands over, for fuzzing: any bytes give a value or a refusal.
pub mod decoders {
    use crate::Roots;
    use crate::format::key::{Key, Kind};
    use crate::format::{epochs, extent, group, inode, named, node, origin, snapshot, superblock};

    /// Feeds bytes to every decoder; whether one of them took them.
    #[must_use]
    pub fn all(bytes: &[u8], roots: Roots) -> bool {
        let results = [
            superblock::Head::decode(bytes).is_ok(),
            superblock::Body::decode(bytes, roots).is_ok(),
            group::Head::decode(bytes).is_ok(),
            group::decode(bytes, roots).is_ok(),
            node::decode(bytes, 0, roots).is_ok(),
            node::decode(bytes, 1, roots).is_ok(),
            epochs::decode(bytes).is_ok(),
            extent::Extent::decode(bytes, roots).is_ok(),
            inode::Inode::decode(bytes).is_ok(),
            named::decode(bytes).is_ok(),
            origin::Origin::decode(bytes).is_ok(),
            snapshot::Snapshot::decode(Key::new(Kind::Snapshot, 1, 0), bytes, roots).is_ok(),
            snapshot::runs(bytes).is_ok(),
        ];
        results.contains(&true)
    }
}
