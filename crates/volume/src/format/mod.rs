//! Bytes as they are stored (spec/volume-format.md): encode and decode, nothing else.
//!
//! Every decoder takes any bytes and gives a value or [`Malformed`]; every reserved byte is checked.

pub mod bytes;
pub mod epochs;
pub mod extent;
pub mod group;
pub mod inode;
pub mod key;
pub mod named;
pub mod node;
pub mod origin;
pub mod pointer;
pub mod snapshot;
pub mod superblock;

/// Unit of space on the host, in bytes.
pub const BLOCK: usize = 4096;
/// Plaintext and ciphertext of one tree node.
pub const NODE: usize = 4 * BLOCK;
/// Blocks of a node.
pub const NODE_BLOCKS: u32 = 4;
/// Blocks of data under one tag: one seal of 16 KiB runs at three quarters of the cipher's full speed.
pub const PIECE_BLOCKS: u32 = 4;
/// Most blocks of one extent.
pub const EXTENT_BLOCKS: u32 = 32;
/// Files up to this size live in their inode.
pub const INLINE: usize = 2048;
/// Longest name of a directory entry or an extended attribute, as Linux has it.
pub const NAME: usize = 255;
/// Longest target of a symbolic link (PATH_MAX without its NUL).
pub const SYMLINK: usize = 4095;
/// Longest value of an extended attribute: one block, as in ext4, so that three entries fit any node.
pub const XATTR: usize = 4096;
/// Largest file: 16 TiB.
pub const FILE: u64 = 1 << 44;
/// Blocks of one segment file: 256 MiB.
pub const SEGMENT_BLOCKS: u64 = 1 << 16;
/// Blocks that one entry of the space map covers: its bitmap has 4 KiB.
pub const MAP_BLOCKS: u64 = 1 << 15;
/// Most blocks of one log group: 4 MiB.
pub const GROUP_BLOCKS: u32 = 1024;

/// The bytes are not of the documented form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// What a root binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The parent holds the child's AEAD tag: binding against everybody without the key.
    Tag,
    /// The parent holds the SHA-256 of the child's plaintext too: binding against holders of the key as well.
    Hash,
}

#[cfg(test)]
mod tests;
