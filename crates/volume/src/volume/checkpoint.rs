//! A checkpoint: everything placed, the tree sealed bottom-up, one slot written, the anchor moved, space released.

use super::Volume;
use super::slots::Slot;
use crate::Error;
use crate::format::epochs;
use crate::format::key::{Key, Kind};
use crate::format::pointer::Pointer;
use crate::format::superblock::{Body, Head};
use crate::format::{BLOCK, NODE_BLOCKS};
use crate::seal::Purpose;
use crate::store;

impl Volume {
    /// Makes everything durable, all files' data included, and moves the anchor, whatever the freshness.
    ///
    /// # Errors
    /// As [`Self::fsync`].
    pub fn sync(&mut self) -> Result<(), Error> {
        self.check_writable()?;
        if self.is_unchanged() {
            return self.anchor();
        }
        self.checkpoint()?;
        self.anchored.flush()
    }

    /// Ends the mount: everything is durable and anchored, and the lock on the host is given back.
    ///
    /// # Errors
    /// As [`Self::fsync`]; the mount is over all the same, and what was acknowledged is safe.
    pub fn unmount(mut self) -> Result<(), Error> {
        if !self.writable {
            return Ok(());
        }
        self.sync()?;
        if let Some(idle) = self.take_idle(true) {
            idle.discard();
        }
        Ok(())
    }

    /// Ends the mount and closes the volume for ever: from now on every mount is refused, whatever the host holds.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] on a mount for reading, [`Error::Invalid`] with [`super::Freshness::None`], where no anchor
    /// would know, [`Error::Fenced`], [`Error::Anchor`]: the outcome is unknown.
    pub fn retire(mut self) -> Result<(), Error> {
        match self.freshness {
            _ if !self.writable => Err(Error::ReadOnly),
            super::Freshness::None => Err(Error::Invalid),
            super::Freshness::Strict | super::Freshness::Interval => {
                self.land();
                self.anchored.retire()
            }
        }
    }

    pub(super) fn is_unchanged(&self) -> bool {
        let logged = self.log.pending() == 0 && self.log.head == self.slot.body.log;
        logged && self.files.is_empty() && self.tree.dirty() == 0
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), Error> {
        self.land();
        self.check_writable()?;
        if self.anchored.record.generation != self.slot.head.generation {
            // The other slot is the anchored one: it stays until this one is.
            self.move_anchor()?;
        }
        let sealed = self.seal_checkpoint();
        self.latch(sealed)?;
        self.store.look_at_host();
        self.move_anchor()
    }

    fn seal_checkpoint(&mut self) -> Result<(), Error> {
        self.flush_files()?;
        self.append()?;
        let (table, epoch_blocks) = self.write_epochs()?;
        let addresses = self.settle_space()?;
        let (tree, mut context) = self.edit();
        let root = tree.write(&mut context, addresses)?;
        self.store.flush()?;
        let body = Body {
            level: self.tree.level,
            root,
            epochs: table,
            epoch_blocks,
            log_blocks: self.log.blocks,
            log: self.log.head,
            capacity: self.store.capacity,
            used: self.space.used(),
            next_inode: self.next_inode,
        };
        self.write_slot(body)
    }

    pub(super) fn write_slot(&mut self, body: Body) -> Result<(), Error> {
        let generation = self.generation();
        let (fence, counter, _) = self.store.keys.next()?;
        let salt = self.store.keys.salt(fence).ok_or(Error::ReadOnly)?;
        let roots = self.store.roots;
        let head = Head {
            roots,
            volume: self.store.keys.volume,
            generation,
            fence,
            counter,
            salt,
        };
        let slot = Slot { head, body };
        slot.write(&mut self.store)?;
        self.slot = slot;
        self.log.flushed = body.log;
        Ok(())
    }

    /// The table of epochs, written anew by each writer's first checkpoint under its own key.
    fn write_epochs(&mut self) -> Result<(Pointer, u32), Error> {
        let (old, blocks) = (self.slot.body.epochs, self.slot.body.epoch_blocks);
        if self.slot.head.fence == self.anchored.record.fence {
            return Ok((old, blocks));
        }
        let generation = self.generation();
        let freed = self.space.free(old.address, blocks, generation);
        freed.map_err(|malformed| Error::malformed(malformed, store::place(old.address)))?;
        self.new_epochs()
    }

    pub(super) fn new_epochs(&mut self) -> Result<(Pointer, u32), Error> {
        let mut bytes = epochs::encode(&self.store.keys.epochs());
        let blocks = u32::try_from(bytes.len() / BLOCK).unwrap_or(u32::MAX);
        let address = self.space.allocate_run(blocks)?;
        let sealed = self.store.seal(Purpose::Epochs, &mut bytes)?;
        self.store.write(address, &bytes)?;
        Ok((store::pointer(address, self.generation(), &sealed), blocks))
    }

    /// Gives each changed node an address and brings the space map and the dead lists in the tree up to date with that.
    /// A map's entry has a fixed size: once it is in memory, setting it again changes no other node; and a node dies
    /// once. So this ends.
    pub(super) fn settle_space(&mut self) -> Result<Vec<u64>, Error> {
        let mut addresses = Vec::new();
        loop {
            while (addresses.len() as u64) < self.tree.dirty() {
                addresses.push(self.space.allocate_node()?);
            }
            while (addresses.len() as u64) > self.tree.dirty() {
                let generation = self.generation();
                let Some(address) = addresses.pop() else { break };
                let freed = self.space.free(address, NODE_BLOCKS, generation);
                freed.map_err(|malformed| Error::malformed(malformed, store::place(address)))?;
            }
            self.bury()?;
            let touched = self.space.take_touched();
            if touched.is_empty() && addresses.len() as u64 == self.tree.dirty() {
                return Ok(addresses);
            }
            for (index, map) in touched {
                let (tree, mut context) = self.edit();
                tree.put(&mut context, Key::new(Kind::Space, index, 0), map)?;
            }
        }
    }
}
