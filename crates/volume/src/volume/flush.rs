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
/// Files whose pages are placed together: where others want the volume meanwhile, they wait for no more.
pub(crate) const FILES_AT_ONCE: usize = 16;

/// Pages in a row of one file.
pub struct Row {
    pub inode: u64,
    /// Block of the file.
    pub at: u64,
    pub blocks: usize,
}

impl Volume {
    /// Pushes to the log all that one file waits for.
    pub(super) fn flush_file(&mut self, inode: u64, target: Target) -> Result<(), Error> {
        if self.prepare(inode, target)? {
            self.place_pages(&[inode])?;
        }
        self.tidy_pages(inode);
        Ok(())
    }

    /// Pushes to the log what one file waits for, but for pages that are to be placed: whether there are such.
    fn prepare(&mut self, inode: u64, target: Target) -> Result<bool, Error> {
        let Some(pages) = self.files.get_mut(&inode) else {
            return Ok(false);
        };
        let touched = pages.touched.take();
        let stored = self.stored_inode(inode)?;
        let mut value = stored.clone();
        if let Some(touched) = touched {
            (value.size, value.modified, value.changed) = (touched.size, touched.modified, touched.changed);
        }
        if self.keep_inline(inode, &mut value)? {
            return Ok(false);
        }
        self.leave_inline(inode, &stored, &mut value)?;
        if value != stored {
            self.set_inode(inode, &value)?;
        }
        if target == Target::Log && self.unlogged(inode) <= WRITE {
            self.log_pages(inode)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Files of which pages wait for an extent.
    pub(crate) fn unplaced(&self) -> Vec<u64> {
        self.files.keys().copied().collect()
    }

    /// Places the pages of some files, so that a checkpoint need not.
    ///
    /// # Errors
    /// Those of [`Volume::sync`].
    pub(crate) fn place_files(&mut self, inodes: &[u64]) -> Result<(), Error> {
        self.check_writable()?;
        let placed = self.flush_together(inodes);
        self.latch(placed)
    }

    /// Places everything that waits.
    pub(super) fn flush_files(&mut self) -> Result<(), Error> {
        let waiting = self.unplaced();
        waiting
            .chunks(FILES_AT_ONCE)
            .try_for_each(|files| self.flush_together(files))
    }

    fn flush_together(&mut self, inodes: &[u64]) -> Result<(), Error> {
        let mut placing = Vec::with_capacity(inodes.len());
        for inode in inodes.iter().copied() {
            self.spill_log()?;
            if self.prepare(inode, Target::Extents)? {
                placing.push(inode);
            }
        }
        self.place_pages(&placing)?;
        inodes.iter().for_each(|inode| self.tidy_pages(*inode));
        self.spill_log()
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

    /// Seals all pages of files into fresh extents.
    fn place_pages(&mut self, inodes: &[u64]) -> Result<(), Error> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let placed = self.place_rows(inodes, &mut scratch);
        self.scratch = scratch;
        placed
    }

    /// Rows that are apart in their files lie together on the host: they are written in one go.
    fn place_rows(&mut self, inodes: &[u64], scratch: &mut Buffer) -> Result<(), Error> {
        loop {
            let rows = self.first_rows(inodes, scratch);
            let blocks: usize = rows.iter().map(|row| row.blocks).sum();
            if blocks == 0 {
                return Ok(());
            }
            let mut planned = self.plan_rows(rows.iter().map(|row| row.blocks))?;
            planned.run(scratch.room(blocks * BLOCK))?;
            self.show_rows(&rows, planned)?;
        }
    }

    /// The first rows of pages, up to what is written at once; their bytes are in `scratch`.
    fn first_rows(&self, inodes: &[u64], scratch: &mut Buffer) -> Vec<Row> {
        let mut rest = scratch.room(RUN_BLOCKS * BLOCK);
        let mut rows = Vec::new();
        for inode in inodes.iter().copied() {
            let mut next = 0;
            while let Some((at, mut row)) = self.row_from(inode, next).filter(|_| !rest.is_empty()) {
                row.truncate(rest.len() / BLOCK);
                let (bytes, behind) = rest.split_at_mut(row.len() * BLOCK);
                gather(&row, bytes);
                rest = behind;
                next = at + row.len() as u64;
                let blocks = row.len();
                rows.push(Row { inode, at, blocks });
            }
        }
        rows
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
