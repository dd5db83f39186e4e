//! Block 0 (struct erofs_super_block).

use crate::BLOCK;

/// Where the superblock lies in its block.
const AT: usize = 1024;
const MAGIC: u32 = 0xE0F5_E1E2;
/// Times are those of the last change of content.
const MODIFIED: u32 = 0x2;
/// Some files are in chunks: kernels from 5.15 on.
const CHUNKS: u32 = 0x4;
/// What the block begins with where the file system is [plain](Superblock::plain). Kernels read nothing before the
/// superblock.
const PLAIN: &[u8; 16] = b"casemate/plain/1";

/// What a kernel must know first.
#[derive(Debug, PartialEq, Eq)]
pub struct Superblock {
    pub inodes: u64,
    pub blocks: u32,
    /// First block of the inodes.
    pub inodes_at: u32,
    pub root: u16,
    pub chunks: bool,
    /// No inode has extended attributes, but for [`crate::OPAQUE`] and [`crate::IMPLIED`].
    pub plain: bool,
}

impl Superblock {
    pub fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        if self.plain {
            block[..PLAIN.len()].copy_from_slice(PLAIN);
        }
        let mut put = |at: usize, field: &[u8]| block[AT + at..][..field.len()].copy_from_slice(field);
        put(0, &MAGIC.to_le_bytes());
        put(8, &MODIFIED.to_le_bytes());
        put(12, &[BLOCK.ilog2() as u8]);
        put(14, &self.root.to_le_bytes());
        put(16, &self.inodes.to_le_bytes());
        put(36, &self.blocks.to_le_bytes());
        put(40, &self.inodes_at.to_le_bytes());
        put(80, &(if self.chunks { CHUNKS } else { 0 }).to_le_bytes());
        block
    }

    /// Reads it back; `None` if another program wrote it.
    pub fn decode(block: &[u8; BLOCK]) -> Option<Self> {
        let word = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(block[AT + at..][..4].try_into().ok()?)) };
        let found = Self {
            inodes: u64::from(word(16)?) | u64::from(word(20)?) << 32,
            blocks: word(36)?,
            inodes_at: word(40)?,
            root: (word(12)? >> 16) as u16,
            chunks: word(80)? == CHUNKS,
            plain: block.starts_with(PLAIN),
        };
        (found.encode() == *block).then_some(found)
    }
}
