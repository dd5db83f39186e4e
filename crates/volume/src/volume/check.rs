//! Checks of a whole volume: everything is there, and space is what the tree says it is.

use std::collections::BTreeSet;

use super::Volume;
use crate::Error;
use crate::format::extent::Extent;
use crate::format::key::{Key, Kind};
use crate::format::{BLOCK, NODE_BLOCKS};

impl Volume {
    /// Reads and verifies every node and all data, and compares the space map with what the tree refers to.
    ///
    /// # Errors
    /// [`Error::Tampered`] with the first thing that is wrong.
    pub fn verify(&mut self) -> Result<(), Error> {
        let reachable = self.reachable()?;
        let wrong = (0..self.store.capacity).find(|block| reachable.contains(block) != self.space.is_live(*block));
        if let Some(block) = wrong {
            return Err(Error::tampered("the space map", crate::store::place(block)));
        }
        let mut from = Key::FIRST;
        while let Some((key, _)) = self
            .tree
            .next(&mut self.store, from)?
            .filter(|(key, _)| key.kind == Kind::Inode)
        {
            self.verify_data(key.inode)?;
            from = Key::new(Kind::Inode, key.inode + 1, 0);
        }
        Ok(())
    }

    fn verify_data(&mut self, inode: u64) -> Result<(), Error> {
        let mut block = [0; BLOCK];
        let mut from = 0;
        while let Some((at, extent)) = self.extent_in(inode, from, u64::MAX / BLOCK as u64)? {
            from = at + u64::from(extent.count);
            for index in at..from {
                self.read_block(inode, index, &mut block)?;
            }
        }
        Ok(())
    }

    /// Blocks that the newest state refers to, and those that the newest checkpoint does not yet have an address for
    /// are none.
    fn reachable(&mut self) -> Result<BTreeSet<u64>, Error> {
        let mut blocks = BTreeSet::new();
        for address in self.tree.nodes(&mut self.store)? {
            blocks.extend(address..address + u64::from(NODE_BLOCKS));
        }
        let (epochs, count) = (self.slot.body.epochs.address, self.slot.body.epoch_blocks);
        blocks.extend(epochs..epochs + u64::from(count));
        let mut from = Key::new(Kind::Extent, 0, 0);
        while let Some((key, value)) = self
            .tree
            .next(&mut self.store, from)?
            .filter(|(key, _)| key.kind == Kind::Extent)
        {
            let extent = Extent::decode(&value, self.store.roots);
            let extent = extent.map_err(|malformed| Error::malformed(malformed, "the tree"))?;
            for (address, count) in extent.shown_pieces().map(|piece| extent.piece(piece)) {
                blocks.extend(address..address + u64::from(count));
            }
            from = Key::new(Kind::Extent, key.inode, key.offset + 1);
        }
        Ok(blocks)
    }

    /// Blocks that a reader refers to and that this writer could give out at this moment: none, while it is registered.
    ///
    /// # Errors
    /// [`Error::Tampered`].
    pub fn endangers(&self, reader: &mut Self) -> Result<Vec<u64>, Error> {
        let reachable = reader.reachable()?;
        Ok(reachable
            .into_iter()
            .filter(|block| !self.space.is_busy(*block))
            .collect())
    }

    /// Blocks that the newest state refers to and that could be given out at this moment: there are none, ever.
    ///
    /// # Errors
    /// [`Error::Tampered`].
    pub fn endangered(&mut self) -> Result<Vec<u64>, Error> {
        let reachable = self.reachable()?;
        Ok(reachable
            .into_iter()
            .filter(|block| !self.space.is_busy(*block))
            .collect())
    }
}
