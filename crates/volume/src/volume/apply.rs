//! Changes: each is applied to the tree and the pages in one place, live or from the log.

use super::Volume;
use crate::Error;
use crate::format::EXTENT_BLOCKS;
use crate::format::bytes::check;
use crate::format::group::Change;
use crate::format::inode::Inode;
use crate::format::key::{Key, Kind};

impl Volume {
    /// Makes a change now and remembers it for the log. A copy that is under way logs nothing: after a crash it goes on
    /// where the newest checkpoint has it.
    pub(super) fn change(&mut self, change: Change) -> Result<(), Error> {
        self.changes += 1;
        if !self.unfinished {
            self.log.push(&change, self.store.roots);
        }
        self.apply(change)
    }

    pub(super) fn set(&mut self, key: Key, value: Vec<u8>) -> Result<(), Error> {
        self.change(Change::Put(key, value))
    }

    pub(super) fn set_inode(&mut self, inode: u64, value: &Inode) -> Result<(), Error> {
        self.set(Key::new(Kind::Inode, inode, 0), value.encode())
    }

    pub(super) fn unset(&mut self, key: Key) -> Result<(), Error> {
        self.change(Change::Remove(key))
    }

    /// Makes a change that the log has.
    pub(super) fn replay(&mut self, mut change: Change) -> Result<(), Error> {
        let birth = self.generation();
        if let Change::Extent(_, _, extent) = &mut change {
            let fresh = check(
                extent.start == 0 && extent.count == extent.blocks,
                "a logged extent is not whole",
            );
            let claimed = fresh.and_then(|()| self.space.claim(extent.address, extent.blocks));
            claimed.map_err(|malformed| Error::malformed(malformed, "the log"))?;
            // The writer may have been checkpoints ahead of the one that is recovered: the next one has it first.
            extent.birth = birth;
        }
        self.forget_logged(&change)?;
        self.apply(change)
    }

    fn apply(&mut self, change: Change) -> Result<(), Error> {
        match change {
            Change::Put(key, value) => {
                if key.kind == Kind::Inode {
                    self.next_inode = self.next_inode.max(key.inode.saturating_add(1));
                }
                let (tree, mut context) = self.edit();
                tree.put(&mut context, key, value)
            }
            Change::Remove(key) => {
                if key.kind == Kind::Inode {
                    self.forget_pages(key.inode);
                    self.files.remove(&key.inode);
                }
                let (tree, mut context) = self.edit();
                tree.remove(&mut context, key).map(drop)
            }
            Change::Extent(inode, at, extent) => {
                if extent.count < EXTENT_BLOCKS {
                    self.scattered.note(inode, at, extent.count);
                }
                self.show(inode, at, extent)
            }
            Change::Punch(inode, from, to) => self.hide(inode, from, to),
            Change::Write(inode, at, bytes) => self.overlay(inode, at, &bytes, false),
        }
    }

    /// An inode that holds its content has no logged pages.
    fn forget_logged(&mut self, change: &Change) -> Result<(), Error> {
        let Change::Put(
            Key {
                kind: Kind::Inode,
                inode,
                ..
            },
            value,
        ) = change
        else {
            return Ok(());
        };
        let decoded = Inode::decode(value).map_err(|malformed| Error::malformed(malformed, "the log"))?;
        if !decoded.inline.is_empty() {
            self.forget_pages(*inode);
        }
        Ok(())
    }
}
