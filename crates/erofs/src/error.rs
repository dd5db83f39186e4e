//! What cannot be written.

use std::io;

/// Why a file system was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Writing the file system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Reading content that goes in.
    #[error("content cannot be read: {0}")]
    Content(#[source] io::Error),
    /// A name that no directory can hold.
    #[error("a name is empty, longer than 255 bytes, \".\", \"..\", or has a slash or a zero byte in it")]
    Name,
    /// Something is to be put below what is no directory.
    #[error("what should hold it is no directory")]
    NotDirectory,
    /// A directory in the place of something else, or the other way round, where that is not allowed.
    #[error("there is nothing of this name")]
    NotFound,
    /// A second name for a directory.
    #[error("a directory has only one name")]
    Directory,
    /// Extended attributes that do not fit an inode, or of a name space that EROFS does not have.
    #[error("an extended attribute has a name or a value that EROFS cannot hold")]
    ExtendedAttribute,
    /// Longer than EROFS can say: a target of 4,096 bytes or more, 2^32 blocks.
    #[error("it is too large for EROFS")]
    TooLarge,
}
