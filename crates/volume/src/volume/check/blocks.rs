//! A set of blocks: a bit each, in pages that are there where something is.

use std::collections::BTreeMap;

use crate::format::MAP_BLOCKS;

const WORDS: usize = (MAP_BLOCKS / 64) as usize;

/// Of 1 TiB in use it takes 32 MiB.
#[derive(Default)]
pub struct Blocks(BTreeMap<u64, Box<[u64; WORDS]>>);

impl Blocks {
    /// Adds blocks; the first that was there already.
    pub fn add(&mut self, address: u64, count: u32) -> Option<u64> {
        let mut twice = None;
        for block in address..address.saturating_add(count.into()) {
            let page = self.0.entry(block / MAP_BLOCKS).or_insert_with(|| Box::new([0; WORDS]));
            let (word, bit) = (&mut page[(block % MAP_BLOCKS / 64) as usize], 1 << (block % 64));
            if *word & bit != 0 {
                twice.get_or_insert(block);
            }
            *word |= bit;
        }
        twice
    }

    pub fn has(&self, block: u64) -> bool {
        let page = self.0.get(&(block / MAP_BLOCKS));
        page.is_some_and(|page| page[(block % MAP_BLOCKS / 64) as usize] >> (block % 64) & 1 == 1)
    }

    /// All of them, rising.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|(index, page)| {
            let first = index * MAP_BLOCKS;
            (first..first + MAP_BLOCKS).filter(move |block| {
                let at = block % MAP_BLOCKS;
                page[(at / 64) as usize] >> (at % 64) & 1 == 1
            })
        })
    }
}
