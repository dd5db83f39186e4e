//! Admission: an operation is refused before it begins rather than stuck in its middle.

use super::Volume;
use crate::Error;
use crate::format::{BLOCK, NODE_BLOCKS};

/// Pages in memory before they are placed: 64 MiB.
const PAGES: u64 = (64 << 20) / BLOCK as u64;
/// Changed nodes in memory before a checkpoint: 64 MiB.
const NODES: u64 = 4096;
/// Log bytes that placing a page, and flushing a file, takes at most.
const PAGE_CHANGE: u64 = 160;
const FILE_CHANGE: u64 = 2400;
/// Log bytes of one operation without data at most: a rename that replaces, with lists of names of full length.
pub const OPERATION: u64 = 24 * 1024;
/// Of a full volume, the part that is set free at once if overwrites left so much half used.
const SPARE: u64 = 128;
/// Space that only operations that free some may use: 3 % or 64 MiB, of a small volume an eighth.
const RESERVE: u64 = (64 << 20) / BLOCK as u64;

/// What an operation will need.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Bytes of the log.
    pub log: u64,
    /// New pages.
    pub pages: u64,
    /// Whether it frees more than it takes, and may use the reserve.
    pub frees: bool,
}

impl Need {
    pub const OPERATION: Self = Self {
        log: OPERATION,
        pages: 0,
        frees: false,
    };
    pub const FREEING: Self = Self {
        log: OPERATION,
        pages: 0,
        frees: true,
    };
}

impl Volume {
    /// Admits and runs an operation. One that fails after its first change leaves half of itself in memory: the volume
    /// closes, and nothing of it reaches the disk.
    pub(super) fn operate<T>(
        &mut self,
        need: Need,
        operation: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.admit(need)?;
        let before = (self.changes, self.log.pending());
        let outcome = operation(self);
        if (self.changes, self.log.pending()) == before {
            outcome
        } else {
            self.latch(outcome)
        }
    }

    /// Makes room for an operation, with a checkpoint if that is what it takes, or refuses.
    pub(super) fn admit(&mut self, need: Need) -> Result<(), Error> {
        self.check_writable()?;
        self.spill_log()?;
        if self.pages + need.pages > PAGES || self.waiting() > self.log.size() / 8 {
            let placed = self.flush_files();
            self.latch(placed)?;
        }
        self.room_in_log(need.log)?;
        if self.has_space(need) {
            return Ok(());
        }
        self.checkpoint()?;
        // With some to spare: the next ones need not do the same at once.
        let ample = Need {
            pages: need.pages + self.store.capacity / SPARE,
            ..need
        };
        while !need.frees && !self.has_space(ample) {
            if !self.reclaim()? {
                break;
            }
        }
        if self.has_space(need) {
            Ok(())
        } else {
            Err(Error::NoSpace)
        }
    }

    /// Room in the log for what an fsync pushes.
    pub(super) fn room_to_flush(&mut self) -> Result<(), Error> {
        self.room_in_log(0)
    }

    /// A checkpoint at three quarters of the ring. Where the anchor does not answer, the last quarter is used up.
    pub(super) fn room_in_log(&mut self, bytes: u64) -> Result<(), Error> {
        let wanted = self.log.pending() as u64 + self.waiting() + bytes + 2 * BLOCK as u64;
        let quarter = self.log.size() / 4;
        if self.log.room() >= wanted + quarter && self.tree.dirty() < NODES {
            return Ok(());
        }
        match self.checkpoint() {
            Err(Error::Anchor(_)) if self.log.room() >= wanted + quarter / 2 => Ok(()),
            other => other,
        }
    }

    /// Log bytes that placing everything would take.
    fn waiting(&self) -> u64 {
        let unlogged = self.pages.min(crate::format::group::WRITE as u64 / BLOCK as u64) * BLOCK as u64;
        self.pages * PAGE_CHANGE + self.files.len() as u64 * FILE_CHANGE + unlogged
    }

    pub(super) fn has_space(&self, need: Need) -> bool {
        let nodes = self.nodes_needed() + need.pages / 32;
        if need.frees {
            // With a snapshot nothing may come free: enough stays to delete the snapshot.
            let kept = if self.space.pinned() > 0 { self.reserve() / 4 } else { 0 };
            return self.free_quads() > nodes + kept;
        }
        let floor = nodes + self.reserve();
        self.free_quads() > nodes + self.whole() && self.free_for_data(floor) >= self.pages + need.pages
    }

    /// Whether so many blocks can be written to set others free: most of the reserve is for that.
    pub(super) fn has_space_to_reclaim(&self, blocks: u64) -> bool {
        let floor = self.nodes_needed() + blocks / 32 + self.whole();
        self.free_quads() > floor && self.free_for_data(floor) >= self.pages + blocks
    }

    /// Whole quads that nobody has and the host has room for.
    fn free_quads(&self) -> u64 {
        let beyond = self.store.beyond_host() / u64::from(NODE_BLOCKS);
        self.space.free_quads().saturating_sub(beyond)
    }

    fn free_for_data(&self, floor: u64) -> u64 {
        self.space.free_for_data(floor).saturating_sub(self.store.beyond_host())
    }

    /// Blocks that an application may still fill.
    pub(super) fn available(&self) -> u64 {
        self.free_for_data(self.nodes_needed() + self.reserve())
            .saturating_sub(self.pages)
    }

    /// Nodes that the next checkpoint may write: the changed ones, those that placing pages will change (no more than
    /// there are, and what they grow by), the path to the space map, the dead lists, and the table of epochs.
    pub(super) fn nodes_needed(&self) -> u64 {
        let waiting = self.pages + 2 * self.files.len() as u64;
        let maps = self.store.capacity.div_ceil(crate::format::MAP_BLOCKS);
        let maps = maps.min(self.space.touched().max(16));
        let dead = if self.space.pinned() > 0 { waiting } else { 0 } + self.space.nodes_for_dead();
        let changed = waiting.min(self.space.used() / 4) + waiting / 32 + dead;
        self.tree.dirty() + changed + maps + 2 * u64::from(self.tree.level) + 4
    }

    /// Of the reserve, what has to be whole quads, for nodes: random overwrites leave holes that only data can fill.
    pub(super) fn whole(&self) -> u64 {
        self.reserve() / 2
    }

    fn reserve(&self) -> u64 {
        let capacity = self.store.capacity;
        RESERVE.max(capacity * 3 / 100).min(capacity / 8) / 4
    }
}
