//! How a part of a file lies on the host, and what of it is worth the work to write it anew.

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
    blocks: u64,
    /// Runs on the host.
    pub runs: u64,
    /// A snapshot has some of them.
    pinned: bool,
    /// Blocks that would come free of a sealed piece if what it shows were elsewhere, by the piece's address.
    pieces: BTreeMap<u64, Uses>,
}

/// A sealed piece that only this part shows, and no snapshot.
#[derive(Default)]
struct Uses {
    sealed: u64,
    shown: u64,
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
        for (at, extent) in &self.extents {
            let address = extent.address + u64::from(extent.start);
            self.runs += u64::from(address != follows);
            follows = address + u64::from(extent.count);
            self.blocks += u64::from(extent.count);
            self.pinned |= extent.birth <= pinned;
            for (address, sealed, shown) in pieces(*at, extent) {
                // Others may show the rest of a piece that reaches beyond.
                if extent.birth > pinned && within.contains(&sealed.start) && sealed.end <= within.end {
                    let uses = self.pieces.entry(address).or_default();
                    uses.sealed = sealed.end - sealed.start;
                    uses.shown += shown.end - shown.start;
                }
            }
        }
    }

    /// What is worth the work to write it anew, in rows without holes: all of it, so that it is read at once; or only
    /// what keeps half used pieces in use.
    pub fn rows(&self, why: Why) -> Vec<Range<u64>> {
        let all = match why {
            Why::Reading => !self.pinned && self.runs >= RUNS.into() && self.runs * SHORT > self.blocks,
            Why::Asked => !self.pinned && self.runs > 1,
            Why::Tight | Why::Full => return self.half_used(why),
        };
        let shown = self.extents.iter().filter(|_| all);
        in_rows(shown.map(|(at, extent)| *at..at + u64::from(extent.count)))
    }

    fn half_used(&self, why: Why) -> Vec<Range<u64>> {
        let least = if why == Why::Full { 1 } else { 2 };
        let half = |address: &u64| {
            let uses = self.pieces.get(address);
            uses.is_some_and(|uses| uses.sealed - uses.shown >= least)
        };
        let shown = self.extents.iter().flat_map(|(at, extent)| pieces(*at, extent));
        in_rows(shown.filter(|(address, _, _)| half(address)).map(|(_, _, shown)| shown))
    }
}

/// Of the pieces of an extent that is shown at a block: address, and blocks of the file that it has, and that it shows.
fn pieces(at: u64, extent: &Extent) -> impl Iterator<Item = (u64, Range<u64>, Range<u64>)> {
    let base = at.saturating_sub(extent.start.into());
    let end = at + u64::from(extent.count);
    extent.shown_pieces().map(move |index| {
        let (address, blocks) = extent.piece(index);
        let from = base + (address - extent.address);
        let sealed = from..from + u64::from(blocks);
        let shown = sealed.start.max(at)..sealed.end.min(end);
        (address, sealed, shown)
    })
}

/// Ranges without a hole between them as one.
fn in_rows(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut rows: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match rows.last_mut() {
            Some(row) if row.end == range.start => row.end = range.end,
            _ => rows.push(range),
        }
    }
    rows
}
