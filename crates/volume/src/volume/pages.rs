//! Data of files that no extent holds yet: 4 KiB pages in memory, and attributes that follow from writes.

use std::collections::BTreeMap;

use super::Volume;
use crate::Error;
use crate::format::inode::{Inode, Time};
use crate::format::{BLOCK, FILE};

/// One page.
pub type Page = Box<[u8; BLOCK]>;

/// Attributes that writes changed and nothing logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    pub size: u64,
    pub modified: Time,
    pub changed: Time,
}

/// What waits for one file.
#[derive(Default)]
pub struct Pages {
    pub touched: Option<Touched>,
    pub pages: BTreeMap<u64, Page>,
    /// Which bytes of which pages the log does not have: from, up to.
    pub unlogged: BTreeMap<u64, (usize, usize)>,
}

impl Pages {
    /// Notes bytes of a page that the log does not have.
    pub fn mark(&mut self, index: u64, from: usize, to: usize) {
        let range = self.unlogged.entry(index).or_insert((from, to));
        *range = (range.0.min(from), range.1.max(to));
    }
}

impl Volume {
    /// An inode as applications see it: with what no fsync logged yet.
    pub(super) fn inode(&mut self, inode: u64) -> Result<Inode, Error> {
        let mut value = self.stored_inode(inode)?;
        if let Some(touched) = self.files.get(&inode).and_then(|pages| pages.touched) {
            (value.size, value.modified, value.changed) = (touched.size, touched.modified, touched.changed);
        }
        Ok(value)
    }

    /// Puts bytes over a file's data, in memory.
    pub(super) fn overlay(&mut self, inode: u64, offset: u64, bytes: &[u8], unlogged: bool) -> Result<(), Error> {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (index, within) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let count = rest.len().min(BLOCK - within);
            let page = self.page(inode, index, count == BLOCK)?;
            page[within..within + count].copy_from_slice(&rest[..count]);
            if unlogged {
                self.mark(inode, index, within, within + count);
            }
            at += count as u64;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// A page in memory; with the file's bytes unless all of it is about to be written.
    pub(super) fn page(&mut self, inode: u64, index: u64, whole: bool) -> Result<&mut Page, Error> {
        if index > FILE / BLOCK as u64 {
            return Err(Error::TooLarge);
        }
        let known = self
            .files
            .get(&inode)
            .is_some_and(|pages| pages.pages.contains_key(&index));
        let mut bytes = Box::new([0; BLOCK]);
        if !known {
            if !whole {
                self.read_block(inode, index, &mut bytes[..])?;
            }
            self.pages += 1;
        }
        let pages = self.files.entry(inode).or_default();
        Ok(pages.pages.entry(index).or_insert(bytes))
    }

    pub(super) fn mark(&mut self, inode: u64, index: u64, from: usize, to: usize) {
        self.files.entry(inode).or_default().mark(index, from, to);
    }

    /// Drops pages in a range.
    pub(super) fn drop_pages(&mut self, inode: u64, from: u64, to: u64) {
        let Some(pages) = self.files.get_mut(&inode) else {
            return;
        };
        let dropped: Vec<u64> = pages.pages.range(from..to).map(|(index, _)| *index).collect();
        for index in &dropped {
            pages.pages.remove(index);
            pages.unlogged.remove(index);
        }
        self.pages -= dropped.len() as u64;
    }

    /// Drops all pages of a file whose content is elsewhere, and keeps the attributes.
    pub(super) fn forget_pages(&mut self, inode: u64) {
        self.drop_pages(inode, 0, u64::MAX);
    }

    /// Forgets a file that has nothing in memory.
    pub(super) fn tidy_pages(&mut self, inode: u64) {
        let idle = |pages: &Pages| pages.pages.is_empty() && pages.touched.is_none();
        if self.files.get(&inode).is_some_and(idle) {
            self.files.remove(&inode);
        }
    }
}
