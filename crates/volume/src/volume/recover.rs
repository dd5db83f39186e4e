//! From a checkpoint to the anchored head: the space map, the log, and files that lost their names.

use super::mount::rolled_back;
use super::{Freshness, Volume};
use crate::Error;
use crate::format::bytes::check;
use crate::format::key::{Key, Kind};

impl Volume {
    pub(super) fn load_space(&mut self) -> Result<(), Error> {
        let mut from = Key::new(Kind::Space, 0, 0);
        while let Some((key, value)) = self
            .tree
            .next(&mut self.store, from)?
            .filter(|(key, _)| key.kind == Kind::Space)
        {
            let loaded = self.space.load(key.inode, &value);
            loaded.map_err(|malformed| Error::malformed(malformed, "the space map"))?;
            from = Key::new(Kind::Space, key.inode + 1, 0);
        }
        let used = check(
            self.space.used() == self.slot.body.used,
            "the space map has not the blocks in use",
        );
        used.map_err(|malformed| Error::malformed(malformed, "the space map"))
    }

    /// What was born up to the newest snapshot is not freed by what the log says.
    pub(super) fn load_snapshots(&mut self) -> Result<(), Error> {
        let pinned = self.newest_snapshot()?;
        self.space.pin(pinned);
        Ok(())
    }

    /// Applies the log up to the anchored head, and beyond it to the end of what the recorded writer wrote.
    pub(super) fn replay_log(&mut self, to_the_end: bool) -> Result<(), Error> {
        let record = self.anchored.record;
        let ahead = self.slot.head.generation > record.generation;
        let mut reached = ahead || self.slot.root(&self.log.head) == record.root;
        while !reached || to_the_end {
            let Some(group) = self.log.peek(&self.store)? else {
                break;
            };
            let foreign = self.freshness != Freshness::None && group.epoch.fence != record.fence;
            if reached && foreign {
                break;
            }
            self.store.keys.learn(group.epoch)?;
            for change in group.changes {
                self.replay(change)?;
            }
            self.log.head = group.after;
            reached |= self.slot.root(&self.log.head) == record.root;
        }
        self.log.flushed = self.log.head;
        if reached {
            Ok(())
        } else {
            Err(rolled_back(&record, self.short_log()))
        }
    }

    fn short_log(&self) -> String {
        let generation = self.slot.head.generation;
        format!(
            "generation {generation} with a log that ends at group {}",
            self.log.head.sequence
        )
    }

    /// Removes what was open without a name when the last mount ended.
    pub(super) fn reap_orphans(&mut self) -> Result<(), Error> {
        let from = Key::new(Kind::Orphan, 0, 0);
        while let Some((key, _)) = self
            .tree
            .next(&mut self.store, from)?
            .filter(|(key, _)| key.kind == Kind::Orphan)
        {
            self.reap(key.offset)?;
        }
        Ok(())
    }
}
