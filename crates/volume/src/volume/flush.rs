//! Bringing a file's pages to where a crash cannot take them: into its inode, the log, or sealed extents.

use super::Volume;
use super::pages::Page;
use crate::Error;
use crate::format::group::{Change, WRITE};
use crate::format::inode::Inode;
use crate::format::{BLOCK, FILE, INLINE};
use crate::store::Buffer;

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
        let mut scratch = std::mem::take(&mut self.scratch);
        let placed = self.place_rows(inode, &mut scratch);
        self.scratch = scratch;
        placed
    }

    fn place_rows(&mut self, inode: u64, scratch: &mut Buffer) -> Result<(), Error> {
        while let Some((at, row)) = self.row_from(inode, 0) {
            let count = row.len();
            let bytes = scratch.room(count * BLOCK);
            gather(&row, bytes);
            let mut planned = self.plan(count)?;
            planned.run(bytes)?;
            self.show_planned(inode, at, planned)?;
        }
        Ok(())
    }

    /// The first pages in a row from a block of a file on, up to what is written at once.
    pub(super) fn row_from(&self, inode: u64, from: u64) -> Option<(u64, Vec<&Page>)> {
        let pages = &self.files.get(&inode)?.pages;
        let first = *pages.range(from..).next()?.0;
        let row = pages.range(first..).zip(first..).take(RUN_BLOCKS);
        let row = row.take_while(|((index, _), expected)| **index == *expected);
        Some((first, row.map(|((_, page), _)| page).collect()))
    }
}

/// The bytes of pages in a row.
pub fn gather(row: &[&Page], bytes: &mut [u8]) {
    let each = bytes.chunks_mut(BLOCK).zip(row);
    each.for_each(|(to, page)| to.copy_from_slice(&page[..]));
}
