//! Space that the host can have back: what became free in large pieces, and stayed so for a while. Taking it at once
//! would cost the next write more than it gives.

use super::Space;
use super::map::Map;
use crate::format::MAP_BLOCKS;

/// Blocks of a piece: 16 MiB, as segments grow.
pub const IDLE: u64 = 4096;
/// Rounds that a piece has to be free.
const PATIENCE: u32 = 12;

impl Space {
    /// Some of the blocks around one became free.
    pub(super) fn note_emptied(&mut self, address: u64) {
        let piece = address / IDLE;
        if self.is_empty(piece) {
            self.emptied.entry(piece).or_insert(0);
        }
    }

    /// Pieces that have been free for twelve rounds, or at all at the `end`: kept, so that nobody writes them while the
    /// host takes them back; then [`Self::give_back`]. A call is a round.
    pub fn take_idle(&mut self, end: bool) -> Vec<u64> {
        let emptied = std::mem::take(&mut self.emptied);
        let (mut idle, mut waiting) = (Vec::new(), std::collections::BTreeMap::new());
        for (piece, rounds) in emptied {
            if !self.is_empty(piece) {
                continue;
            }
            if end || rounds >= PATIENCE {
                idle.push(piece * IDLE);
            } else {
                waiting.insert(piece, rounds + 1);
            }
        }
        self.emptied = waiting;
        idle.iter().for_each(|address| self.keep(*address, IDLE as u32));
        idle
    }

    fn is_empty(&self, piece: u64) -> bool {
        let block = piece * IDLE;
        let map = self.at(block);
        block + IDLE <= self.capacity && map.is_some_and(|map| map.is_free(block % MAP_BLOCKS, IDLE))
    }
}

impl Map {
    /// Whether none of some words' blocks is busy.
    fn is_free(&self, from: u64, count: u64) -> bool {
        self.words(from, count).iter().all(|word| *word == 0)
    }
}
