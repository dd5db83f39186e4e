//! Listing a directory.

use super::Volume;
use crate::Error;
use crate::format::key::{Key, Kind};
use crate::format::named::{self, Target};

/// A name in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Vec<u8>,
    /// What it stands for.
    pub inode: u64,
    /// Type bits of its mode.
    pub kind: u32,
    /// Where a listing goes on after this entry: stable while others come and go. Names whose hashes collide share one.
    pub cookie: u64,
}

impl Volume {
    /// Entries behind a cookie, from 0 on: at least `count` of them unless there are no more. Without "." and "..".
    ///
    /// # Errors
    /// [`Error::NotDirectory`].
    pub fn readdir(&mut self, directory: u64, after: u64, count: usize) -> Result<Vec<Entry>, Error> {
        self.directory(directory)?;
        let mut entries = Vec::new();
        let mut from = after.saturating_add(1);
        while entries.len() < count {
            let key = Key::new(Kind::Entry, directory, from);
            let Some((key, value)) = self.tree.next(&mut self.store, key)? else {
                break;
            };
            if key.kind != Kind::Entry || key.inode != directory {
                break;
            }
            entries.extend(decode(key, &value)?);
            from = key.offset.saturating_add(1);
        }
        Ok(entries)
    }

    pub(super) fn is_empty(&mut self, directory: u64) -> Result<bool, Error> {
        Ok(self.readdir(directory, 0, 1)?.is_empty())
    }
}

fn decode(key: Key, value: &[u8]) -> Result<Vec<Entry>, Error> {
    let malformed = |malformed| Error::malformed(malformed, "the tree");
    let list = named::decode(value).map_err(malformed)?;
    let entries = list.into_iter().map(|named| {
        let target = Target::decode(&named.value).map_err(malformed)?;
        Ok(Entry {
            name: named.name,
            inode: target.inode,
            kind: target.kind,
            cookie: key.offset,
        })
    });
    entries.collect()
}
