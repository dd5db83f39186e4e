//! Which blocks a tree refers to. Two things never share one, but for the parts of a file that show one sealed piece.

use super::blocks::Blocks;
use crate::format::extent::Extent;
use crate::format::key::Key;
use crate::format::pointer::Pointer;
use crate::format::{BLOCK, NODE_BLOCKS, PIECE_BLOCKS};

/// Blocks met so far.
#[derive(Default)]
pub struct Reach {
    pub blocks: Blocks,
    /// The file whose extents come now, and those of its pieces that a later extent may show, too.
    inode: u64,
    open: Vec<Piece>,
}

/// A piece, by what it is and where in the file it would end if all of it were shown.
struct Piece {
    identity: (u64, u64, u64),
    end: u64,
}

impl Reach {
    /// Beside blocks that other trees refer to.
    pub fn beside(blocks: Blocks) -> Self {
        Self {
            blocks,
            inode: 0,
            open: Vec::new(),
        }
    }

    /// A node; the first of its blocks that something else has.
    pub fn node(&mut self, pointer: &Pointer) -> Option<u64> {
        self.blocks.add(pointer.address, NODE_BLOCKS)
    }

    /// The next extent in the order of keys; as [`Self::node`].
    pub fn extent(&mut self, key: Key, extent: &Extent) -> Option<u64> {
        let at = key.offset / BLOCK as u64;
        if self.inode != key.inode {
            self.inode = key.inode;
            self.open.clear();
        }
        self.open.retain(|piece| piece.end > at);
        let mut twice = None;
        for index in extent.shown_pieces() {
            let (address, blocks) = extent.piece(index);
            let identity = (address, extent.fence, extent.counter.saturating_add(index.into()));
            if self.open.iter().any(|piece| piece.identity == identity) {
                continue;
            }
            twice = twice.or(self.blocks.add(address, blocks));
            let end = at + u64::from((index + 1) * PIECE_BLOCKS) - u64::from(extent.start);
            if end > at + u64::from(extent.count) {
                self.open.push(Piece { identity, end });
            }
        }
        twice
    }
}
