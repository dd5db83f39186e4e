//! Keys of the tree: (kind, inode, offset), ordered in that order.

use super::Malformed;
use super::bytes::{Put, Reader, check};

/// Bytes of a key.
pub const KEY: usize = 17;

/// Greatest inode number.
pub const INODES: u64 = 1 << 62;

/// What an entry of the tree is. Unknown kinds are refused: a volume that has them carries a feature flag too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Attributes, and the content of small files. Offset 0.
    Inode = 1,
    /// Names in a directory. Offset: keyed hash of the name.
    Entry = 2,
    /// Data of a file. Offset: byte in the file.
    Extent = 3,
    /// Extended attributes. Offset: keyed hash of the name.
    Attribute = 4,
    /// An inode without a name that may still be open. Inode 0, offset: the inode.
    Orphan = 5,
    /// A checkpoint under a name. Inode: its generation, offset 0.
    Snapshot = 6,
    /// Which blocks are in use. Inode: index of 32,768 blocks, offset 0.
    Space = 7,
    /// Blocks that only snapshots need. Inode: generation of the newest snapshot that does, offset: birth and part.
    Dead = 8,
    /// What this volume is a copy of. Inode 0, offset 0.
    Origin = 9,
}

impl Kind {
    fn parse(byte: u8) -> Result<Self, Malformed> {
        let known = [
            Self::Inode,
            Self::Entry,
            Self::Extent,
            Self::Attribute,
            Self::Orphan,
            Self::Snapshot,
            Self::Space,
            Self::Dead,
            Self::Origin,
        ];
        let found = known.into_iter().find(|kind| *kind as u8 == byte);
        found.ok_or(Malformed("a key is of an unknown kind"))
    }
}

/// Where an entry is in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub kind: Kind,
    pub inode: u64,
    pub offset: u64,
}

impl Key {
    pub const FIRST: Self = Self::new(Kind::Inode, 0, 0);

    pub const fn new(kind: Kind, inode: u64, offset: u64) -> Self {
        Self { kind, inode, offset }
    }

    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let key = Self::new(Kind::parse(reader.u8()?)?, reader.u64()?, reader.u64()?);
        check(key.inode <= INODES && key.offset >> 63 == 0, "a key is out of bounds")?;
        Ok(key)
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.kind as u8).put_u64(self.inode).put_u64(self.offset);
    }
}
