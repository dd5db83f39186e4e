//! Bringing a file's pages to where a crash cannot take them: into its inode, the log, or sealed extents.

use super::Volume;
use super::pages::Page;
use crate::Error;
use crate::format::extent::Extent;
use crate::format::group::{Change, WRITE};
use crate::format::inode::Inode;
use crate::format::{BLOCK, EXTENT_BLOCKS, FILE, INLINE, PIECE_BLOCKS};
use crate::seal::Purpose;
use crate::store::starts_segment;

/// Where pages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Up to 64 KiB into the log, more into extents: one flush of one file for a small fsync.
    Log,
    /// Into extents, for a checkpoint or to make room in memory.
    Extents,
}

/// Most blocks that are sealed and written at once: 1 MiB.
const RUN_BLOCKS: usize = 256;
/// Bytes of a whole piece.
const PIECE: usize = PIECE_BLOCKS as usize * BLOCK;

impl Volume {
    /// Pushes to the log all that one file waits for.
    pub(super) fn flush_file(&mut self, inode: u64, target: Target) -> Result<(), Error> {
        let Some(pages) = self.files.get_mut(&inode) else {
            return Ok(());
        };
        let touched = pages.touched.take();
        let stored = self.stored_inode(inode)?;
        let mut value = stored.clone();
        if let Some(touched) = touched {
            (value.size, value.modified, value.changed) = (touched.size, touched.modified, touched.changed);
        }
        if !self.keep_inline(inode, &mut value)? {
            self.leave_inline(inode, &stored, &mut value)?;
            if value != stored {
                self.set_inode(inode, &value)?;
            }
            match target {
                Target::Log if self.unlogged(inode) <= WRITE => self.log_pages(inode)?,
                _ => self.place_pages(inode)?,
            }
        }
        self.tidy_pages(inode);
        Ok(())
    }

    /// Files of which pages wait for an extent.
    pub(crate) fn unplaced(&self) -> Vec<u64> {
        self.files.keys().copied().collect()
    }

    /// Places one file's pages, so that a checkpoint need not.
    ///
    /// # Errors
    /// Those of [`Volume::sync`].
    pub(crate) fn place_file(&mut self, inode: u64) -> Result<(), Error> {
        self.check_writable()?;
        self.spill_log()?;
        let placed = self.flush_file(inode, Target::Extents);
        self.latch(placed)
    }

    /// Pushes everything that waits.
    pub(super) fn flush_files(&mut self, target: Target) -> Result<(), Error> {
        for inode in self.unplaced() {
            self.flush_file(inode, target)?;
            self.spill_log()?;
        }
        Ok(())
    }

    /// Stores a small file whose content is in memory in its inode; whether it did.
    fn keep_inline(&mut self, inode: u64, value: &mut Inode) -> Result<bool, Error> {
        let Some(size) = usize::try_from(value.size).ok().filter(|size| *size <= INLINE) else {
            return Ok(false);
        };
        let page = self.files.get(&inode).and_then(|pages| pages.pages.get(&0));
        match page {
            Some(page) => value.inline = page[..size].to_vec(),
            None if value.inline.is_empty() && size > 0 => return Ok(false),
            None => value.inline.resize(size, 0),
        }
        if self.extent_in(inode, 0, FILE / BLOCK as u64)?.is_some() {
            self.change(Change::Punch(inode, 0, FILE / BLOCK as u64))?;
        }
        self.set_inode(inode, value)?;
        self.forget_pages(inode);
        Ok(true)
    }

    /// Moves content that was in the inode to a page that the log does not have.
    fn leave_inline(&mut self, inode: u64, stored: &Inode, value: &mut Inode) -> Result<(), Error> {
        if stored.inline.is_empty() || !stored.is_file() {
            return Ok(());
        }
        self.page(inode, 0, false)?;
        self.mark(inode, 0, 0, stored.inline.len());
        value.inline.clear();
        Ok(())
    }

    fn unlogged(&self, inode: u64) -> usize {
        let ranges = self.files.get(&inode).map(|pages| pages.unlogged.values());
        ranges.into_iter().flatten().map(|(from, to)| to - from).sum()
    }

    /// Logs the bytes themselves. The pages stay until they are placed.
    fn log_pages(&mut self, inode: u64) -> Result<(), Error> {
        let roots = self.store.roots;
        let Some(pages) = self.files.get_mut(&inode) else {
            return Ok(());
        };
        let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
        for (index, (from, to)) in std::mem::take(&mut pages.unlogged) {
            let Some(page) = pages.pages.get(&index) else { continue };
            let (at, bytes) = (index * BLOCK as u64 + from as u64, &page[from..to]);
            match runs.last_mut() {
                Some((start, run)) if *start + run.len() as u64 == at => run.extend_from_slice(bytes),
                _ => runs.push((at, bytes.to_vec())),
            }
        }
        for (at, bytes) in runs {
            self.log.push(&Change::Write(inode, at, bytes), roots);
        }
        Ok(())
    }

    /// Seals all pages into fresh extents.
    fn place_pages(&mut self, inode: u64) -> Result<(), Error> {
        while let Some((at, mut plaintext)) = self.first_run(inode) {
            self.place(inode, at, &mut plaintext)?;
        }
        Ok(())
    }

    /// The bytes of the first pages in a row, up to what is written at once.
    fn first_run(&self, inode: u64) -> Option<(u64, Vec<u8>)> {
        let pages = &self.files.get(&inode)?.pages;
        let first = *pages.keys().next()?;
        let row = pages.iter().zip(first..).take(RUN_BLOCKS);
        let row: Vec<&Page> = row
            .take_while(|((index, _), expected)| **index == *expected)
            .map(|((_, page), _)| page)
            .collect();
        let mut bytes = Vec::with_capacity(row.len() * BLOCK);
        row.iter().for_each(|page| bytes.extend_from_slice(&page[..]));
        Some((first, bytes))
    }

    /// Seals whole blocks in place, writes them to fresh space and shows them at block `at` of a file. What was placed
    /// before an error is shown.
    pub(super) fn place(&mut self, inode: u64, at: u64, plaintext: &mut [u8]) -> Result<(), Error> {
        let mut placed = Vec::new();
        let sealed = self.seal_extents(plaintext, &mut placed);
        self.write_extents(plaintext, &placed)?;
        let mut from = at;
        for extent in placed {
            let blocks = extent.blocks;
            self.change(Change::Extent(inode, from, extent))?;
            from += u64::from(blocks);
        }
        sealed
    }

    fn seal_extents(&mut self, plaintext: &mut [u8], placed: &mut Vec<Extent>) -> Result<(), Error> {
        let mut rest = plaintext;
        while !rest.is_empty() {
            let wanted = u32::try_from(rest.len() / BLOCK)
                .unwrap_or(EXTENT_BLOCKS)
                .min(EXTENT_BLOCKS);
            let floor = self.nodes_needed();
            let (address, blocks) = self.space.allocate_data(wanted, floor)?;
            let (bytes, behind) = rest.split_at_mut(blocks as usize * BLOCK);
            placed.push(self.seal_extent(address, blocks, bytes)?);
            rest = behind;
        }
        Ok(())
    }

    fn seal_extent(&mut self, address: u64, blocks: u32, bytes: &mut [u8]) -> Result<Extent, Error> {
        let mut checks = Vec::with_capacity(bytes.len().div_ceil(PIECE));
        let mut first = None;
        for piece in bytes.chunks_mut(PIECE) {
            let sealed = self.store.seal(Purpose::Data, piece)?;
            first.get_or_insert((sealed.fence, sealed.counter));
            checks.push(sealed.check);
        }
        let (fence, counter) = first.unwrap_or_default();
        Ok(Extent {
            address,
            fence,
            counter,
            birth: self.generation(),
            blocks,
            start: 0,
            count: blocks,
            checks,
        })
    }

    /// Writes sealed extents, those that lie in a row on the host at once.
    fn write_extents(&mut self, sealed: &[u8], extents: &[Extent]) -> Result<(), Error> {
        let mut rest = sealed;
        let mut extents = extents;
        while let Some(first) = extents.first() {
            let follows = |pair: &&[Extent]| {
                pair[0].address + u64::from(pair[0].blocks) == pair[1].address && !starts_segment(pair[1].address)
            };
            let count = 1 + extents.windows(2).take_while(follows).count();
            let blocks: u32 = extents[..count].iter().map(|extent| extent.blocks).sum();
            let (bytes, behind) = rest.split_at(blocks as usize * BLOCK);
            self.store.write(first.address, bytes)?;
            (rest, extents) = (behind, &extents[count..]);
        }
        Ok(())
    }
}
