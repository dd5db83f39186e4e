//! Data of a file: sealed blocks, and the part of them that a range of the file shows.

use super::bytes::{Put, Reader, check};
use super::pointer::Check;
use super::{EXTENT_BLOCKS, Malformed, PIECE_BLOCKS, Roots};

/// Up to 32 blocks, sealed in pieces of four; the entry shows `count` of them from `start` on. An overwrite in the
/// middle leaves two entries that share the sealed blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    pub address: u64,
    pub fence: u64,
    /// Counter of the first piece's nonce; the others follow it.
    pub counter: u64,
    pub birth: u64,
    /// Sealed blocks.
    pub blocks: u32,
    /// First block shown.
    pub start: u32,
    /// Blocks shown.
    pub count: u32,
    /// One for each piece.
    pub checks: Vec<Check>,
}

impl Extent {
    pub fn decode(bytes: &[u8], roots: Roots) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let (address, fence, counter, birth) = (reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?);
        let (blocks, start, count) = (reader.u16()?.into(), reader.u16()?.into(), reader.u16()?.into());
        check(reader.u16()? == 0, "a reserved byte is set")?;
        check((1..=EXTENT_BLOCKS).contains(&blocks), "an extent has 1 to 32 blocks")?;
        check(
            count > 0 && start + count <= blocks,
            "an extent shows blocks that it does not have",
        )?;
        check(
            address.checked_add(blocks.into()).is_some(),
            "an address is out of range",
        )?;
        let checks = (0..blocks.div_ceil(PIECE_BLOCKS)).map(|_| Check::decode(&mut reader, roots));
        let checks = checks.collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self {
            address,
            fence,
            counter,
            birth,
            blocks,
            start,
            count,
            checks,
        })
    }

    pub fn encode(&self, roots: Roots) -> Vec<u8> {
        let mut out = Vec::with_capacity(40 + self.checks.len() * Check::size(roots));
        out.put_u64(self.address)
            .put_u64(self.fence)
            .put_u64(self.counter)
            .put_u64(self.birth);
        for field in [self.blocks, self.start, self.count] {
            out.put_u16(super::bytes::short(field as usize));
        }
        out.put_u16(0);
        for check in &self.checks {
            check.encode(&mut out, roots);
        }
        out
    }

    /// Pieces that hold shown blocks.
    pub fn shown_pieces(&self) -> std::ops::Range<u32> {
        self.start / PIECE_BLOCKS..(self.start + self.count).div_ceil(PIECE_BLOCKS)
    }

    /// Address and number of blocks of a piece.
    pub fn piece(&self, index: u32) -> (u64, u32) {
        let first = index * PIECE_BLOCKS;
        (self.address + u64::from(first), (self.blocks - first).min(PIECE_BLOCKS))
    }
}
