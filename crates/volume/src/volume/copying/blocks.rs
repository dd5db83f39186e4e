//! Data of files on its way: opened with the source's key, sealed anew with the target's. Never as it was sealed.

use std::mem;
use std::ops::Range;

use super::beginning::Wanted;
use super::sending::{Sending, malformed};
use crate::Error;
use crate::format::BLOCK;
use crate::format::extent::Extent;
use crate::format::group::Change;
use crate::format::key::{Key, Kind};
use crate::tree::{Changed, Tree};
use crate::volume::Volume;
use crate::volume::extents::extent_in;
use crate::volume::flush::gather;
use crate::volume::reading::Reading;
use crate::volume::reading::parts::Part;
use crate::volume::room::Need;

/// Most blocks that are read, sealed and written at once: 1 MiB.
const MOST: u64 = 256;

/// Blocks in a row of one file.
#[derive(Default)]
pub struct Batch {
    inode: u64,
    parts: Vec<Part>,
}

impl Batch {
    /// The key in the source's tree of the first extent that it has something of.
    pub fn first(&self) -> Option<Key> {
        let offset = |part: &Part| part.at * BLOCK as u64;
        self.parts
            .first()
            .map(|part| Key::new(Kind::Extent, self.inode, offset(part)))
    }

    fn blocks(&self) -> Range<u64> {
        let (first, last) = (self.parts.first(), self.parts.last());
        first.map_or(0, |part| part.shown.start)..last.map_or(0, |part| part.shown.end)
    }

    /// Whether a part of a file begins where these blocks end, and finds room.
    fn takes(&self, inode: u64, part: &Part) -> bool {
        let blocks = self.blocks();
        let follows = self.inode == inode && blocks.end == part.shown.start;
        self.parts.is_empty() || follows && part.shown.end - blocks.start <= MOST
    }
}

impl Sending<'_> {
    pub(super) fn extent(&self, value: &[u8]) -> Result<Extent, Error> {
        Extent::decode(value, self.source.store.roots).map_err(malformed)
    }

    /// What an extent showed and nothing shows now is a hole; what one shows now and did not show before is sent.
    pub(super) fn extents(&mut self, changed: &Changed) -> Result<(), Error> {
        let (inode, at) = (changed.key.inode, changed.key.offset / BLOCK as u64);
        if let Some(old) = &changed.old {
            let old = self.extent(old)?;
            self.punch(inode, at..at + u64::from(old.count))?;
        }
        if let Some(new) = &changed.new {
            let new = self.extent(new)?;
            self.renew(inode, at, &new)?;
        }
        Ok(())
    }

    /// Makes holes where the new state shows nothing.
    fn punch(&mut self, inode: u64, mut within: Range<u64>) -> Result<(), Error> {
        while !within.is_empty() {
            let found = self.find(|wanted| &wanted.tree, inode, within.clone())?;
            let (from, behind) = found.map_or((within.end, within.end), |(at, extent)| (at, end(at, &extent)));
            if from > within.start {
                let (first, last) = (within.start, from.min(within.end));
                self.target
                    .operate(Need::FREEING, |target| target.change(Change::Punch(inode, first, last)))?;
            }
            within.start = behind;
        }
        Ok(())
    }

    /// Sends the blocks of an extent that the old state did not show in the same place.
    fn renew(&mut self, inode: u64, at: u64, extent: &Extent) -> Result<(), Error> {
        let mut left = at..end(at, extent);
        while !left.is_empty() {
            let found = self.find(|wanted| &wanted.before, inode, left.clone())?;
            let known = found.map_or(left.end..left.end, |(old, known)| {
                if is_same(at, extent, old, &known) {
                    old.max(left.start)..end(old, &known).min(left.end)
                } else {
                    let behind = end(old, &known).min(left.end);
                    behind..behind
                }
            });
            self.take_in(inode, at, extent, left.start..known.start)?;
            left.start = known.end;
        }
        Ok(())
    }

    fn find(
        &mut self,
        which: impl FnOnce(&Wanted) -> &Tree,
        inode: u64,
        within: Range<u64>,
    ) -> Result<Option<(u64, Extent)>, Error> {
        let found = extent_in(which(self.wanted), &mut self.source.store, inode, within);
        found.map_err(|error| self.source.blame(error))
    }

    fn take_in(&mut self, inode: u64, at: u64, extent: &Extent, shown: Range<u64>) -> Result<(), Error> {
        if shown.is_empty() {
            return Ok(());
        }
        let part = Part {
            at,
            extent: extent.clone(),
            shown,
        };
        if !self.batch.takes(inode, &part) {
            self.send_batch()?;
        }
        self.batch.inode = inode;
        match self.batch.parts.last_mut() {
            Some(last) if last.at == at => last.shown.end = part.shown.end,
            _ => self.batch.parts.push(part),
        }
        Ok(())
    }

    /// Opens what waits, and seals it for the target. What fails waits on.
    pub(super) fn send_batch(&mut self) -> Result<(), Error> {
        let batch = mem::take(&mut self.batch);
        let sent = self.seal_batch(&batch);
        if sent.is_err() {
            self.batch = batch;
        }
        sent
    }

    fn seal_batch(&mut self, batch: &Batch) -> Result<(), Error> {
        if batch.parts.is_empty() {
            return Ok(());
        }
        let blocks = batch.blocks();
        let reading = Reading::of(&mut self.source.store, &batch.parts);
        let reading = reading.map_err(|error| self.source.blame(error))?;
        let length = (blocks.end - blocks.start) * BLOCK as u64;
        let (bytes, sealed) = &mut self.buffers;
        let bytes = bytes.room(usize::try_from(length).unwrap_or(0));
        let read = reading.run(bytes, sealed);
        read.map_err(|error| self.source.blame(error))?;
        self.target.place(batch.inode, blocks.start, bytes)?;
        self.sent(length)
    }

    /// What the source's log has of files and no extent holds yet.
    pub(super) fn send_pages(&mut self) -> Result<(), Error> {
        if !self.wanted.is_newest() {
            return Ok(());
        }
        for inode in self.source.unplaced() {
            if !self.is_orphan(inode)? {
                self.send_pages_of(inode)?;
            }
        }
        Ok(())
    }

    fn send_pages_of(&mut self, inode: u64) -> Result<(), Error> {
        let mut next = 0;
        while let Some((at, row)) = self.source.row_from(inode, next) {
            next = at + row.len() as u64;
            let bytes = self.buffers.0.room(row.len() * BLOCK);
            gather(&row, bytes);
            self.target.place(inode, at, bytes)?;
            self.sent((next - at) * BLOCK as u64)?;
        }
        Ok(())
    }
}

impl Volume {
    /// Seals whole blocks of a file into fresh space, and shows them.
    fn place(&mut self, inode: u64, at: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let blocks = bytes.len() / BLOCK;
        let need = Need {
            pages: blocks as u64,
            ..Need::OPERATION
        };
        self.operate(need, |this| {
            let mut planned = this.plan(blocks)?;
            let written = planned.run(bytes);
            this.latch(written)?;
            this.show_planned(inode, at, planned)
        })
    }
}

fn end(at: u64, extent: &Extent) -> u64 {
    at + u64::from(extent.count)
}

/// Whether two extents show the same sealed blocks in the same places of a file.
fn is_same(at: u64, extent: &Extent, other_at: u64, other: &Extent) -> bool {
    let of = |at: u64, extent: &Extent| {
        let base = i128::from(at) - i128::from(extent.start);
        (base, extent.address, extent.fence, extent.counter)
    };
    of(at, extent) == of(other_at, other)
}
