//! What is wrong with an archive.

use std::io;

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive cannot be read, or is cut off, or is none.
    #[error("the archive cannot be read: {0}")]
    Archive(#[source] io::Error),
    /// An entry that is not taken.
    #[error("{path:?}: {reason}")]
    Entry {
        /// As the archive names it, as far as it can be shown.
        path: String,
        /// Why.
        reason: Reason,
    },
    /// More than the limit.
    #[error("the layer holds more than {limit} {what}; if that is what you expect, raise the limit")]
    Limit {
        /// Bytes, or entries.
        what: &'static str,
        /// How many are taken.
        limit: u64,
    },
    /// The file system cannot be written.
    #[error("the file system cannot be written: {0}")]
    Write(#[source] casemate_erofs::Error),
}

/// Why an entry is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Its path goes up, out of the tree.
    #[error("its path has \"..\" in it: it would lead out of the image")]
    Escapes,
    /// Its path has more names than anybody can use.
    #[error("its path has more than 4,096 names")]
    Deep,
    /// Its path leads through what is no directory in this layer.
    #[error("its path leads through {0:?}, which is no directory in this layer")]
    Through(String),
    /// A second name of something that is not in this layer.
    #[error("it is a hard link to {0:?}, which is not in this layer")]
    NoTarget(String),
    /// A mark that takes away nothing that could be there.
    #[error("it is a whiteout without a name")]
    Whiteout,
    /// An attribute with which the archive would speak to the layering itself.
    #[error("it sets {0:?}, which belongs to overlayfs")]
    Overlay(String),
    /// A number that is none, or out of range.
    #[error("its {0} is no number in range")]
    Number(&'static str),
    /// A header that says one thing twice.
    #[error("its header says {0:?} twice")]
    Twice(String),
    /// A kind of entry, or a form of sparse file, that is not known.
    #[error("it is {0}, which is not supported")]
    Unknown(String),
    /// What the file system cannot hold.
    #[error(transparent)]
    Tree(#[from] casemate_erofs::Error),
}
