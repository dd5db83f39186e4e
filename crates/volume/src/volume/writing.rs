//! Writing in three steps: where blocks go is decided in the tree, then they are sealed and written, for which nobody
//! needs the tree, and then the file shows them. Fronts that lock a volume hold the lock for the first step and the
//! last.

use std::sync::Arc;

use super::Volume;
use super::flush::{Row, Target};
use crate::Error;
use crate::format::extent::Extent;
use crate::format::group::Change;
use crate::format::{BLOCK, EXTENT_BLOCKS, PIECE_BLOCKS};
use crate::seal::{EpochKey, Purpose};
use crate::store::{Blocks, Buffer, starts_segment};

/// A write of so many bytes does not wait in pages.
const DIRECT: usize = 64 * 1024;
/// Bytes of a whole piece.
const PIECE: usize = PIECE_BLOCKS as usize * BLOCK;

/// Fresh space, and the counters of what will be sealed there.
pub struct Planned {
    blocks: Blocks,
    key: Arc<EpochKey>,
    /// Their checks come with the sealing, their birth when they are shown.
    extents: Vec<Extent>,
}

/// A large write that is under way.
pub struct Writing {
    inode: u64,
    offset: u64,
    /// Bytes before the first whole block.
    head: usize,
    planned: Planned,
}

impl Planned {
    /// Seals whole blocks in place and writes them, those that lie in a row on the host at once.
    pub fn run(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let mut rest = &mut *bytes;
        for extent in &mut self.extents {
            let (sealed, behind) = rest.split_at_mut(extent.blocks as usize * BLOCK);
            for (piece, counter) in sealed.chunks_mut(PIECE).zip(extent.counter..) {
                let check = self.blocks.seal(&self.key, Purpose::Data, counter, piece)?;
                extent.checks.push(check);
            }
            rest = behind;
        }
        self.write(bytes)
    }

    /// Runs on the host.
    pub fn runs(&self) -> usize {
        self.extents.chunk_by(follows).count()
    }

    fn write(&self, sealed: &[u8]) -> Result<(), Error> {
        let mut rest = sealed;
        for row in self.extents.chunk_by(follows) {
            let blocks: u32 = row.iter().map(|extent| extent.blocks).sum();
            let (bytes, behind) = rest.split_at(blocks as usize * BLOCK);
            self.blocks.write(row[0].address, bytes)?;
            rest = behind;
        }
        Ok(())
    }
}

/// Whether one extent can be written in one go with the one before.
fn follows(first: &Extent, second: &Extent) -> bool {
    first.address + u64::from(first.blocks) == second.address && !starts_segment(second.address)
}

impl Writing {
    /// Seals and writes the whole blocks of what is written; `scratch` is kept by who writes often.
    ///
    /// # Errors
    /// Those of [`Volume::write`].
    pub fn run(&mut self, bytes: &[u8], scratch: &mut Buffer) -> Result<(), Error> {
        let whole = self.whole(bytes);
        let sealed = scratch.room(whole.len());
        sealed.copy_from_slice(whole);
        self.planned.run(sealed)
    }

    fn whole<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let length = (bytes.len() - self.head) / BLOCK * BLOCK;
        &bytes[self.head..self.head + length]
    }
}

impl Volume {
    /// Decides where a write goes that is large enough not to wait for company in memory; `None` for others.
    ///
    /// # Errors
    /// Those of [`Volume::write`].
    pub(crate) fn writing(&mut self, inode: u64, offset: u64, length: usize) -> Result<Option<Writing>, Error> {
        if length < DIRECT || !self.file(inode)?.inline.is_empty() {
            return Ok(None);
        }
        let head = usize::try_from(offset.next_multiple_of(BLOCK as u64) - offset).unwrap_or(0);
        let planned = self.plan((length - head) / BLOCK)?;
        Ok(Some(Writing {
            inode,
            offset,
            head,
            planned,
        }))
    }

    /// Shows what was written. With all that the file waits for, so that a crash never shows a later write without an
    /// earlier one.
    ///
    /// # Errors
    /// The outcome's, and those of [`Volume::write`].
    pub(crate) fn written(&mut self, writing: Writing, bytes: &[u8], outcome: Result<(), Error>) -> Result<(), Error> {
        self.latch(outcome)?;
        self.check_writable()?;
        let Writing {
            inode,
            offset,
            head,
            planned,
        } = writing;
        let file = self.file(inode).map(|file| file.inline.is_empty());
        if !matches!(file, Ok(true)) {
            // Somebody removed the file meanwhile, or cut it so that it lies in its inode.
            self.give_back(&planned);
            return file.and_then(|_| self.write_pages(inode, offset, bytes));
        }
        let whole = (bytes.len() - head) / BLOCK * BLOCK;
        let (first, rest) = bytes.split_at(head);
        let last = &rest[whole..];
        let at = offset + head as u64;
        let shown = self.show_planned(inode, at / BLOCK as u64, planned);
        let shown = shown.and_then(|()| {
            self.overlay(inode, offset, first, true)?;
            self.overlay(inode, at + whole as u64, last, true)?;
            self.touch_written(inode, offset + bytes.len() as u64)?;
            self.flush_file(inode, Target::Extents)
        });
        self.latch(shown)
    }

    /// Fresh space for so many blocks.
    pub(super) fn plan(&mut self, blocks: usize) -> Result<Planned, Error> {
        self.plan_rows([blocks].into_iter())
    }

    /// Fresh space for rows of so many blocks each: no extent holds parts of two.
    pub(super) fn plan_rows(&mut self, mut rows: impl Iterator<Item = usize>) -> Result<Planned, Error> {
        let mut rooms = Vec::new();
        let found = rows.try_for_each(|blocks| self.find_rooms(blocks, &mut rooms));
        let planned = found.and_then(|()| self.plan_in(&rooms));
        if planned.is_err() {
            rooms
                .iter()
                .for_each(|(address, count)| self.space.give_back(*address, *count));
        }
        planned
    }

    fn find_rooms(&mut self, blocks: usize, rooms: &mut Vec<(u64, u32)>) -> Result<(), Error> {
        let mut left = u32::try_from(blocks).unwrap_or(u32::MAX);
        while left > 0 {
            let (wanted, floor) = (left.min(EXTENT_BLOCKS), self.nodes_needed());
            let kept = self.space.allocate_data(wanted, floor + self.whole());
            let (address, count) = kept.or_else(|_| self.space.allocate_data(wanted, floor))?;
            rooms.push((address, count));
            left -= count;
        }
        Ok(())
    }

    fn plan_in(&mut self, rooms: &[(u64, u32)]) -> Result<Planned, Error> {
        let pieces = |blocks: u32| u64::from(blocks.div_ceil(PIECE_BLOCKS));
        let all = rooms.iter().map(|(_, blocks)| pieces(*blocks)).sum();
        let (fence, mut counter, key) = self.store.keys.reserve(all)?;
        let mut extents = Vec::with_capacity(rooms.len());
        for (address, blocks) in rooms.iter().copied() {
            self.store.reach(address, blocks as usize * BLOCK)?;
            extents.push(Extent {
                address,
                fence,
                counter,
                birth: 0,
                blocks,
                start: 0,
                count: blocks,
                checks: Vec::new(),
            });
            counter += pieces(blocks);
        }
        Ok(Planned {
            blocks: self.store.blocks(),
            key,
            extents,
        })
    }

    /// Shows written extents from a block of a file on.
    pub(super) fn show_planned(&mut self, inode: u64, at: u64, planned: Planned) -> Result<(), Error> {
        let blocks = planned.extents.iter().map(|extent| extent.blocks as usize).sum();
        self.show_rows(&[Row { inode, at, blocks }], planned)
    }

    /// Shows what was planned for these rows.
    pub(super) fn show_rows(&mut self, rows: &[Row], planned: Planned) -> Result<(), Error> {
        let birth = self.generation();
        let mut extents = planned.extents.into_iter();
        for row in rows {
            let end = row.at + row.blocks as u64;
            let mut from = row.at;
            while from < end {
                let Some(extent) = extents.next() else { break };
                self.store.wrote(extent.address);
                self.space.settle(extent.address, extent.blocks);
                let blocks = u64::from(extent.blocks);
                self.change(Change::Extent(row.inode, from, Extent { birth, ..extent }))?;
                from += blocks;
            }
        }
        Ok(())
    }

    pub(super) fn give_back(&mut self, planned: &Planned) {
        for extent in &planned.extents {
            self.space.give_back(extent.address, extent.blocks);
        }
    }
}
