//! EROFS file systems, uncompressed. Written from a stream: the content of files goes out as it comes, names and
//! attributes at the end. Read as a library, without a kernel.
//!
//! The layout is that of Linux (fs/erofs/erofs_fs.h; Documentation/filesystems/erofs.rst), with blocks of 4 KiB:
//!
//! | blocks | what |
//! |---|---|
//! | 0 | superblock, written last; before it, where no inode has extended attributes, a mark that says so |
//! | 1 … | content of files over [`INLINE`] bytes, in the order in which it came; blocks of zeros are holes |
//! | … | inodes, each with its extended attributes, and short content |
//! | … | long directories |
//!
//! The same input gives the same bytes.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attributes;
mod content;
mod directory;
mod error;
mod inode;
mod layout;
mod out;
mod read;
mod superblock;
mod tree;
mod writer;
mod xattr;

pub use attributes::{Attributes, Time};
pub use content::Content;
pub use error::Error;
pub use inode::{Device, Kind};
pub use out::Out;
pub use read::{Entry, Inode, ReadError, Reader, Source, kind};
pub use tree::{Node, Tree};
pub use writer::Writer;
pub use xattr::Extended;

/// Bytes of a block.
pub const BLOCK: usize = 4096;
/// Files of at most so many bytes lie beside their inode.
pub const INLINE: usize = 2048;
/// The extended attribute of a directory that hides what lies below it (Documentation/filesystems/overlayfs.rst,
/// "whiteouts and opaque directories").
pub const OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// That of a directory whose layer does not say what its attributes are: those of the layers below count. A name that
/// overlayfs passes by and shows nobody.
pub const IMPLIED: &[u8] = b"trusted.overlay.casemate.implied";
/// Longest name, in bytes (NAME_MAX).
pub const NAME: usize = 255;
