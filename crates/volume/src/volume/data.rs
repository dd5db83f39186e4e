//! Reading and writing a file's data.

use super::flush::Target;
use super::pages::Touched;
use super::room::{Need, OPERATION};
use super::{Attributes, Volume};
use crate::Error;
use crate::format::group::Change;
use crate::format::inode::Inode;
use crate::format::{BLOCK, FILE};

/// Bytes that one step of a long write takes, so that it is admitted piece by piece.
const STEP: usize = 1 << 20;
/// A write of so many bytes does not wait in pages.
const DIRECT: usize = 64 * 1024;

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
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > FILE) {
            return Err(Error::TooLarge);
        }
        let mut at = offset;
        for step in bytes.chunks(STEP) {
            self.write_step(inode, at, step)?;
            at += step.len() as u64;
        }
        Ok(())
    }

    fn write_step(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let pages = bytes.len().div_ceil(BLOCK) as u64 + 1;
        self.admit(Need {
            log: OPERATION,
            pages,
            frees: false,
        })?;
        let value = self.file(inode)?;
        let now = self.clock.now();
        let touched = Touched {
            size: value.size.max(offset + bytes.len() as u64),
            modified: now,
            changed: now,
        };
        if bytes.len() < DIRECT || !value.inline.is_empty() {
            self.overlay(inode, offset, bytes, true)?;
            self.touch(inode, touched);
            return Ok(());
        }
        let written = self.write_through(inode, (offset, bytes), touched);
        self.latch(written)
    }

    /// Seals a large write at once instead of keeping it: the kernel has collected it already. With all that the file
    /// waits for, so that a crash never shows a later write without an earlier one.
    fn write_through(&mut self, inode: u64, (offset, bytes): (u64, &[u8]), touched: Touched) -> Result<(), Error> {
        let at = offset.next_multiple_of(BLOCK as u64);
        let (head, rest) = bytes.split_at(usize::try_from(at - offset).unwrap_or(0));
        let (whole, tail) = rest.split_at(rest.len() / BLOCK * BLOCK);
        let mut sealed = std::mem::take(&mut self.scratch);
        sealed.clear();
        sealed.extend_from_slice(whole);
        let placed = self.place(inode, at / BLOCK as u64, &mut sealed);
        self.scratch = sealed;
        placed?;
        self.overlay(inode, offset, head, true)?;
        self.overlay(inode, at + whole.len() as u64, tail, true)?;
        self.touch(inode, touched);
        self.flush_file(inode, Target::Extents)
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
        self.resized(inode, size);
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

    /// The file has another size now, and was modified.
    pub(super) fn resized(&mut self, inode: u64, size: u64) {
        let now = self.clock.now();
        self.touch(
            inode,
            Touched {
                size,
                modified: now,
                changed: now,
            },
        );
    }

    fn touch(&mut self, inode: u64, touched: Touched) {
        self.files.entry(inode).or_default().touched = Some(touched);
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
