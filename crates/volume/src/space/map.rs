//! Which of 32,768 blocks live, and which must not be given out.

use crate::format::bytes::check;
use crate::format::{BLOCK, MAP_BLOCKS, Malformed};

const WORDS: usize = (MAP_BLOCKS / 64) as usize;
/// Blocks of a quad: the unit of nodes and of pieces.
pub const QUAD: u32 = 4;

/// Two bitmaps: `live` is what the tree refers to, `busy` what may not be allocated: the live blocks, those of the
/// anchored checkpoint, and those behind the volume's end.
pub struct Map {
    live: Box<[u64; WORDS]>,
    busy: Box<[u64; WORDS]>,
}

impl Map {
    /// A map whose first `blocks` blocks exist and are free.
    pub fn new(blocks: u64) -> Self {
        let mut map = Self {
            live: Box::new([0; WORDS]),
            busy: Box::new([0; WORDS]),
        };
        for block in blocks..MAP_BLOCKS {
            map.set_busy(block, true);
        }
        map
    }

    /// The map that an entry of the tree holds.
    pub fn decode(bytes: &[u8], blocks: u64) -> Result<Self, Malformed> {
        check(bytes.len() == BLOCK, "a space map has not its size")?;
        let mut map = Self::new(blocks);
        for (word, chunk) in map.live.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        }
        for (live, busy) in map.live.iter().zip(map.busy.iter_mut()) {
            check(live & *busy == 0, "a block behind the volume's end lives")?;
            *busy |= live;
        }
        Ok(map)
    }

    pub fn encode(&self) -> Vec<u8> {
        self.live.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub fn is_live(&self, block: u64) -> bool {
        bit(&self.live, block)
    }

    pub fn is_busy(&self, block: u64) -> bool {
        bit(&self.busy, block)
    }

    pub fn set_live(&mut self, block: u64, on: bool) {
        set(&mut self.live, block, on);
    }

    pub fn set_busy(&mut self, block: u64, on: bool) {
        set(&mut self.busy, block, on);
    }

    /// Whether all four blocks of a quad can be given out.
    pub fn quad_is_free(&self, quad: u64) -> bool {
        self.nibble(quad) == 0
    }

    /// Busy bits of a quad.
    pub fn nibble(&self, quad: u64) -> u64 {
        let block = quad * u64::from(QUAD);
        self.busy[(block / 64) as usize] >> (block % 64) & 0xf
    }

    /// Whether sixteen quads from one on, which lie in one word, have nothing to give out.
    pub fn quads_are_busy(&self, quad: u64) -> bool {
        self.busy[(quad * u64::from(QUAD) / 64) as usize] == u64::MAX
    }

    /// The words of `busy` for blocks from one on, of which both are multiples of 64.
    pub fn words(&self, from: u64, count: u64) -> &[u64] {
        &self.busy[(from / 64) as usize..((from + count) / 64) as usize]
    }

    pub fn live_blocks(&self) -> u64 {
        self.live.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub fn free_blocks(&self) -> u64 {
        self.busy.iter().map(|word| u64::from(word.count_zeros())).sum()
    }

    pub fn free_quads(&self) -> u64 {
        (0..MAP_BLOCKS / u64::from(QUAD))
            .filter(|quad| self.quad_is_free(*quad))
            .count() as u64
    }
}

fn bit(words: &[u64; WORDS], block: u64) -> bool {
    words[(block / 64) as usize] >> (block % 64) & 1 == 1
}

fn set(words: &mut [u64; WORDS], block: u64, on: bool) {
    let mask = 1 << (block % 64);
    let word = &mut words[(block / 64) as usize];
    *word = if on { *word | mask } else { *word & !mask };
}
