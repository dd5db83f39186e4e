//! Reading and writing a file's data.

use super::flush::Target;
use super::pages::Touched;
use super::room::{Need, OPERATION};
use super::writing::Writing;
use super::{Attributes, Volume};
use crate::Error;
use crate::format::group::Change;
use crate::format::inode::Inode;
use crate::format::{BLOCK, FILE};

/// Bytes that one step of a long write takes, so that it is admitted piece by piece.
const STEP: usize = 1 << 20;

/// A long write, step by step. What was written before an error stays.
///
/// # Errors
/// [`Error::TooLarge`], and those of a step.
pub(crate) fn in_steps(
    offset: u64,
    bytes: &[u8],
    mut write: impl FnMut(u64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > FILE) {
        return Err(Error::TooLarge);
    }
    let mut at = offset;
    for step in bytes.chunks(STEP) {
        write(at, step)?;
        at += step.len() as u64;
    }
    Ok(())
}

impl Volume {
    /// Reads into `out` from `offset` on; how many bytes there were.
    ///
    /// # Errors
    /// [`Error::Tampered`]: never other data than was written. [`Error::IsDirectory`], [`Error::Invalid`] for other
    /// inodes than files.
    pub fn read(&mut self, inode: u64, offset: u64, out: &mut [u8]) -> Result<usize, Error> {
        let reading = self.reading(inode, offset, out.len())?;
        reading.run(out, &mut self.scratch)
    }

    /// Writes bytes at an offset. They are in memory until [`Self::fsync`], [`Self::sync`] or a checkpoint.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::TooLarge`], and those of [`Self::read`]. What was written before an error stays.
    pub fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        in_steps(offset, bytes, |at, step| self.write_step(inode, at, step))
    }

    fn write_step(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let Some(mut writing) = self.begin_write(inode, offset, bytes)? else {
            return Ok(());
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        let outcome = writing.run(bytes, &mut scratch);
        self.scratch = scratch;
        self.written(writing, bytes, outcome)
    }

    /// Writes at most [`STEP`] bytes, or begins to.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(crate) fn begin_write(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> Result<Option<Writing>, Error> {
        let pages = bytes.len().div_ceil(BLOCK) as u64 + 1;
        self.admit(Need {
            log: OPERATION,
            pages,
            frees: false,
        })?;
        let writing = self.writing(inode, offset, bytes.len())?;
        if writing.is_none() {
            self.write_pages(inode, offset, bytes)?;
        }
        Ok(writing)
    }

    /// Writes into memory.
    pub(super) fn write_pages(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.file(inode)?;
        self.overlay(inode, offset, bytes, true)?;
        self.touch_written(inode, offset + bytes.len() as u64)
    }

    /// A file was written up to some byte.
    pub(super) fn touch_written(&mut self, inode: u64, end: u64) -> Result<(), Error> {
        let size = self.file(inode)?.size.max(end);
        self.resized(inode, size)
    }

    /// Cuts a file, or makes it longer by a hole. Logged at once, after the file's data.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn truncate(&mut self, inode: u64, size: u64) -> Result<Attributes, Error> {
        if size > FILE {
            return Err(Error::TooLarge);
        }
        let before = self.file(inode)?.size;
        let frees = size < before;
        let need = Need {
            pages: 1,
            frees,
            ..Need::OPERATION
        };
        self.operate(need, |this| this.truncate_now(inode, size, frees))
    }

    fn truncate_now(&mut self, inode: u64, size: u64, frees: bool) -> Result<Attributes, Error> {
        if frees {
            self.cut(inode, size)?;
        }
        self.resized(inode, size)?;
        self.flush_file(inode, Target::Log)?;
        self.attributes(inode)
    }

    /// Takes away what is behind `size`, to the last byte of its block: a file that grows again shows zeros there.
    fn cut(&mut self, inode: u64, size: u64) -> Result<(), Error> {
        let (first, within) = (size.div_ceil(BLOCK as u64), (size % BLOCK as u64) as usize);
        self.change(Change::Punch(inode, first, FILE / BLOCK as u64 + 1))?;
        if within == 0 {
            return Ok(());
        }
        let page = self.page(inode, size / BLOCK as u64, false)?;
        page[within..].fill(0);
        self.mark(inode, size / BLOCK as u64, within, BLOCK);
        Ok(())
    }

    /// The file has this size now, and was modified.
    pub(super) fn resized(&mut self, inode: u64, size: u64) -> Result<(), Error> {
        let (modified, changed) = if self.times_left {
            let value = self.file(inode)?;
            (value.modified, value.changed)
        } else {
            let now = self.clock.now();
            (now, now)
        };
        let touched = Touched {
            size,
            modified,
            changed,
        };
        self.files.entry(inode).or_default().touched = Some(touched);
        Ok(())
    }

    /// A file as applications see it.
    pub(super) fn file(&mut self, inode: u64) -> Result<Inode, Error> {
        let value = self.inode(inode)?;
        match () {
            () if value.is_directory() => Err(Error::IsDirectory),
            () if value.is_file() => Ok(value),
            () => Err(Error::Invalid),
        }
    }
}
