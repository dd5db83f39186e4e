//! How a part of a file lies on the host, and whether it is worth while to write it anew.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Error;
use crate::format::extent::Extent;
use crate::volume::scattered::{PART, Part, RUNS, Why};
use crate::volume::{Volume, extents};

/// Blocks of a run on average, below which it is worth while: 64 KiB are read nearly as fast as more.
const SHORT: u64 = 16;

/// What is known of a part before it is gathered.
#[derive(Default)]
pub struct Look {
    pub extents: Vec<(u64, Extent)>,
    /// Blocks that the file shows.
    pub blocks: u64,
    /// Runs on the host.
    pub runs: u64,
    /// Blocks that come free.
    frees: u64,
    /// A snapshot has some of them.
    pinned: bool,
}

impl Volume {
    /// How a part lies on the host now; as nothing where some of it waits in memory, and will be put elsewhere anyway.
    pub(super) fn look_at(&mut self, (inode, part): Part) -> Result<Look, Error> {
        let within = part * PART..(part + 1) * PART;
        let mut look = Look::default();
        let waiting = self.files.get(&inode).map(|waiting| &waiting.pages);
        if waiting.is_some_and(|pages| pages.range(within.clone()).next().is_some()) {
            return Ok(look);
        }
        look.extents = self.extents_of(inode, within.clone())?;
        look.measure(&within, self.space.pinned());
        Ok(look)
    }

    /// All extents that show blocks of a range, narrowed to it.
    fn extents_of(&mut self, inode: u64, within: Range<u64>) -> Result<Vec<(u64, Extent)>, Error> {
        let (mut from, mut extents) = (within.start, Vec::new());
        while from < within.end {
            let Some((at, extent)) = self.extent_in(inode, from, within.end)? else {
                break;
            };
            let end = at + u64::from(extent.count);
            let (first, last) = (at.max(within.start), end.min(within.end));
            extents.push((first, extents::part(&extent, first - at, last - first)));
            from = end;
        }
        Ok(extents)
    }
}

impl Look {
    fn measure(&mut self, within: &Range<u64>, pinned: u64) {
        let mut follows = u64::MAX;
        let mut pieces = BTreeMap::new();
        for (at, extent) in &self.extents {
            let address = extent.address + u64::from(extent.start);
            self.runs += u64::from(address != follows);
            follows = address + u64::from(extent.count);
            self.blocks += u64::from(extent.count);
            self.pinned |= extent.birth <= pinned;
            let base = at.wrapping_sub(extent.start.into());
            for index in extent.shown_pieces().filter(|_| extent.birth > pinned) {
                let (address, blocks) = extent.piece(index);
                let from = base.wrapping_add(address - extent.address);
                // Others may show the rest of a piece that reaches beyond.
                if within.contains(&from) && from + u64::from(blocks) <= within.end {
                    pieces.insert(address, u64::from(blocks));
                }
            }
        }
        self.frees = pieces.into_values().sum();
    }

    /// Whether it is worth while to write it anew.
    pub fn is_worth(&self, why: Why) -> bool {
        let gain = self.frees.saturating_sub(self.blocks);
        match why {
            Why::Reading => !self.pinned && self.runs >= RUNS.into() && self.runs * SHORT > self.blocks,
            Why::Tight => gain > self.blocks / 4,
            Why::Full => gain > 0,
            Why::Asked => !self.pinned && self.runs > 1,
        }
    }

    /// Blocks in a row in the file.
    pub fn rows(&self) -> Vec<Range<u64>> {
        let mut rows: Vec<Range<u64>> = Vec::new();
        for (at, extent) in &self.extents {
            let end = at + u64::from(extent.count);
            match rows.last_mut() {
                Some(row) if row.end == *at => row.end = end,
                _ => rows.push(*at..end),
            }
        }
        rows
    }
}
