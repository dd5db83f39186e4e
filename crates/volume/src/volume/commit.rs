//! fsync: one group, one flush, and with [`super::Freshness::Strict`] one move of the anchor.

use super::Volume;
use super::flight::Goal;
use super::flush::Target;
use crate::Error;

/// Pending changes above this go to the ring before the next fsync.
const PENDING: usize = 1 << 20;

impl Volume {
    /// Makes a file's data and attributes durable, and every change of names before; the same for a directory. With
    /// [`super::Freshness::Strict`] the anchor has it too when this returns.
    ///
    /// # Errors
    /// [`Error::Anchor`] when the anchor gives no answer: call again. After [`Error::Host`] the volume takes no more
    /// writes. [`Error::Fenced`] when another writer took over.
    pub fn fsync(&mut self, inode: u64) -> Result<(), Error> {
        self.stage(inode)?;
        let outcome = self.take_off(Goal::DURABLE)?.run();
        self.land();
        outcome
    }

    /// Pushes to the log what one file waits for: the next flight makes it durable.
    ///
    /// # Errors
    /// Those of [`Self::fsync`].
    pub(crate) fn stage(&mut self, inode: u64) -> Result<(), Error> {
        self.check_writable()?;
        self.spill_log()?;
        self.room_to_flush()?;
        let flushed = self.flush_file(inode, Target::Log);
        self.latch(flushed)
    }

    /// Moves the anchor to all that is durable, and makes the anchor durable: the front calls it at each interval, and
    /// every 100 ms under an anchor that is lazy.
    ///
    /// # Errors
    /// As [`Self::fsync`].
    pub fn anchor(&mut self) -> Result<(), Error> {
        self.check_writable()?;
        self.move_anchor()?;
        self.anchored.flush()
    }

    pub(super) fn move_anchor(&mut self) -> Result<(), Error> {
        self.land();
        let root = self.slot.root(&self.log.flushed);
        let moved = self.anchored.advance(self.slot.head.generation, root);
        self.anchor_moved(moved)
    }

    /// Takes in what became of a move to all that is durable.
    pub(super) fn anchor_moved(&mut self, moved: Result<(), Error>) -> Result<(), Error> {
        self.anchored.look();
        match moved {
            Err(Error::Fenced(fence)) => self.latch(Err(Error::Fenced(fence))),
            Err(error) => Err(error),
            Ok(()) => {
                self.space.release(self.anchored.reclaimable());
                self.log.tail = self.slot.body.log.position;
                Ok(())
            }
        }
    }

    /// Puts pending changes into the ring; first makes durable what they point to.
    pub(super) fn append(&mut self) -> Result<(), Error> {
        self.land();
        self.check_writable()?;
        if self.log.pending() == 0 {
            return Ok(());
        }
        self.store.flush()?;
        let group = self.log.seal(&mut self.store)?;
        group.write(&*self.store.host)
    }

    /// Keeps the pending changes within the size of one group. Called between operations, never within one.
    pub(super) fn spill_log(&mut self) -> Result<(), Error> {
        let most = PENDING.min(usize::try_from(self.log.size() / 16).unwrap_or(PENDING));
        if self.log.pending() < most {
            return Ok(());
        }
        let appended = self.append();
        self.latch(appended)
    }
}
