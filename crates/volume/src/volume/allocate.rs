//! fallocate(2) and the parts of a file that hold data.

use std::ops::Range;

use super::flush::Target;
use super::room::Need;
use super::{Attributes, Volume};
use crate::Error;
use crate::format::group::Change;
use crate::format::{BLOCK, FILE};

/// What becomes of a range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocate {
    /// There is room for it now. Data always goes to fresh space, so nothing is set aside: a volume that others fill
    /// up in the meantime still refuses a later write.
    Reserve {
        /// The file stays as long as it is.
        keep_size: bool,
    },
    /// Zeros without data; the file stays as long as it is.
    Punch,
    /// Zeros.
    Zero {
        /// The file stays as long as it is.
        keep_size: bool,
    },
}

/// What to look for in a file (lseek(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// Where data begins.
    Data,
    /// Where a hole begins; there is one at the end of each file.
    Hole,
}

impl Volume {
    /// Does to a range what fallocate(2) asks for. Logged at once, after the file's data.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::TooLarge`], [`Error::Invalid`] for an empty range, and those of [`Self::read`].
    pub fn allocate(&mut self, inode: u64, from: u64, length: u64, how: Allocate) -> Result<Attributes, Error> {
        let end = from
            .checked_add(length)
            .filter(|end| *end <= FILE)
            .ok_or(Error::TooLarge)?;
        if length == 0 {
            return Err(Error::Invalid);
        }
        self.file(inode)?;
        let reserved = matches!(how, Allocate::Reserve { .. });
        if reserved && self.available() < length.div_ceil(BLOCK as u64) {
            return Err(Error::NoSpace);
        }
        let need = Need {
            pages: 2,
            frees: !reserved,
            ..Need::OPERATION
        };
        self.operate(need, |this| this.allocate_now(inode, from..end, how))
    }

    fn allocate_now(&mut self, inode: u64, range: Range<u64>, how: Allocate) -> Result<Attributes, Error> {
        let size = self.file(inode)?.size;
        let grown = match how {
            Allocate::Punch => size,
            Allocate::Reserve { keep_size } | Allocate::Zero { keep_size } if keep_size => size,
            Allocate::Reserve { .. } | Allocate::Zero { .. } => size.max(range.end),
        };
        if !matches!(how, Allocate::Reserve { .. }) {
            self.clear(inode, range.start..range.end.min(size))?;
        }
        self.resized(inode, grown)?;
        self.flush_file(inode, Target::Log)?;
        self.attributes(inode)
    }

    /// Makes bytes read as zeros: whole blocks go, of others the bytes are overwritten.
    fn clear(&mut self, inode: u64, range: Range<u64>) -> Result<(), Error> {
        if range.is_empty() {
            return Ok(());
        }
        if !self.stored_inode(inode)?.inline.is_empty() {
            self.page(inode, 0, false)?;
        }
        let block = BLOCK as u64;
        let (first, last) = (range.start.div_ceil(block), range.end / block);
        if first > last {
            return self.clear_part(inode, range);
        }
        self.clear_part(inode, range.start..first * block)?;
        self.clear_part(inode, last * block..range.end)?;
        if first < last {
            self.change(Change::Punch(inode, first, last))?;
        }
        Ok(())
    }

    /// Overwrites bytes of one block, if the file has it at all.
    fn clear_part(&mut self, inode: u64, range: Range<u64>) -> Result<(), Error> {
        let index = range.start / BLOCK as u64;
        if range.is_empty() || self.data_from(inode, index)? != Some(index) {
            return Ok(());
        }
        let zeros = [0; BLOCK];
        let length = usize::try_from(range.end - range.start).unwrap_or(BLOCK);
        self.overlay(inode, range.start, &zeros[..length], true)
    }

    /// Where data or a hole begins, from an offset on.
    ///
    /// # Errors
    /// [`Error::NothingThere`] from the file's end on, and where no data follows.
    pub fn seek(&mut self, inode: u64, from: u64, what: Seek) -> Result<u64, Error> {
        let file = self.file(inode)?;
        if from >= file.size {
            return Err(Error::NothingThere);
        }
        let inline = !file.inline.is_empty();
        let index = from / BLOCK as u64;
        let found = match what {
            Seek::Data if inline => Some(0),
            Seek::Hole if inline => None,
            Seek::Data => Some(self.data_from(inode, index)?.ok_or(Error::NothingThere)?),
            Seek::Hole => Some(self.hole_from(inode, index)?),
        };
        let at = found.map_or(file.size, |block| (block * BLOCK as u64).max(from));
        match what {
            Seek::Data if at >= file.size => Err(Error::NothingThere),
            _ => Ok(at.min(file.size)),
        }
    }

    /// The first block from one on that has data.
    fn data_from(&mut self, inode: u64, index: u64) -> Result<Option<u64>, Error> {
        let extent = self.extent_in(inode, index, FILE / BLOCK as u64 + 1)?;
        let page = self
            .files
            .get(&inode)
            .and_then(|waiting| waiting.pages.range(index..).next());
        let places = [extent.map(|(at, _)| at.max(index)), page.map(|(at, _)| *at)];
        Ok(places.into_iter().flatten().min())
    }

    /// The first block from one on that has none.
    fn hole_from(&mut self, inode: u64, mut index: u64) -> Result<u64, Error> {
        while self.data_from(inode, index)? == Some(index) {
            index = match self.extent_in(inode, index, index + 1)? {
                Some((at, extent)) => at + u64::from(extent.count),
                None => index + 1,
            };
        }
        Ok(index)
    }
}
