//! Who owns which block.
//!
//! A block that is freed was perhaps part of the anchored checkpoint, or of a log that a crash would replay. So it goes
//! to a list of its generation, and can be allocated once a checkpoint that no longer has it is anchored. The maps that
//! a checkpoint stores are exact for that checkpoint: `live` only.

mod idle;
mod map;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

pub use idle::IDLE;

use crate::Error;
use crate::format::bytes::check;
use crate::format::snapshot::Run;
use crate::format::{MAP_BLOCKS, Malformed, NODE_BLOCKS};
use map::{Map, QUAD};

const QUADS: u64 = MAP_BLOCKS / QUAD as u64;

/// What one map can give out.
#[derive(Clone, Copy)]
struct Free {
    blocks: u64,
    quads: u64,
    /// No more quads than these are free in a row.
    longest: u64,
}

impl Free {
    fn of(blocks: u64) -> Self {
        let quads = blocks / u64::from(QUAD);
        Self {
            blocks,
            quads,
            longest: quads,
        }
    }

    fn has_partial(self) -> bool {
        self.blocks > self.quads * u64::from(QUAD)
    }
}

/// The allocator.
pub struct Space {
    capacity: u64,
    /// `None` where nothing was ever allocated.
    maps: Vec<Option<Map>>,
    used: u64,
    free_blocks: u64,
    free_quads: u64,
    /// Of each map, so that a search passes by those that have nothing.
    free: Vec<Free>,
    deferred: BTreeMap<u64, Vec<Run>>,
    /// Generation of the newest snapshot: what was born by then is not freed. 0 without one.
    pinned: u64,
    /// What the tree no longer has and the newest snapshot needs, by birth, until the dead lists take it in.
    dead: BTreeMap<u64, Vec<Run>>,
    touched: BTreeSet<u64>,
    /// Sixteen mebibytes that became free as a whole, and for how many rounds they have been so.
    emptied: BTreeMap<u64, u32>,
    /// Next quad to look at, and next map with a partly used quad.
    cursor: u64,
    partial: u64,
}

impl Space {
    pub fn new(capacity: u64) -> Self {
        let count = usize::try_from(capacity.div_ceil(MAP_BLOCKS)).unwrap_or(usize::MAX);
        Self {
            capacity,
            maps: std::iter::repeat_with(|| None).take(count).collect(),
            used: 0,
            free_blocks: capacity,
            free_quads: (0..count as u64)
                .map(|index| Free::of(blocks_of(capacity, index)).quads)
                .sum(),
            free: (0..count as u64)
                .map(|index| Free::of(blocks_of(capacity, index)))
                .collect(),
            deferred: BTreeMap::new(),
            pinned: 0,
            dead: BTreeMap::new(),
            touched: BTreeSet::new(),
            emptied: BTreeMap::new(),
            cursor: 0,
            partial: 0,
        }
    }

    /// Takes in the map that the checkpoint has at `index`.
    pub fn load(&mut self, index: u64, bytes: &[u8]) -> Result<(), Malformed> {
        check(index < self.maps.len() as u64, "a space map is behind the volume's end")?;
        let blocks = blocks_of(self.capacity, index);
        let map = Map::decode(bytes, blocks)?;
        self.used += map.live_blocks();
        self.free_blocks = self.free_blocks - blocks + map.free_blocks();
        self.free_quads = self.free_quads - blocks / u64::from(QUAD) + map.free_quads();
        self.free[index as usize] = Free {
            blocks: map.free_blocks(),
            quads: map.free_quads(),
            longest: map.free_quads(),
        };
        self.maps[index as usize] = Some(map);
        Ok(())
    }

    pub fn used(&self) -> u64 {
        self.used
    }

    pub fn free_quads(&self) -> u64 {
        self.free_quads
    }

    /// Blocks that data may take while as much as `floor` quads stays free.
    pub fn free_for_data(&self, floor: u64) -> u64 {
        self.free_blocks.saturating_sub(floor * u64::from(QUAD))
    }

    /// Blocks for a node.
    pub fn allocate_node(&mut self) -> Result<u64, Error> {
        let (quad, _) = self.find_row(1).ok_or(Error::NoSpace)?;
        let address = quad * u64::from(QUAD);
        self.take(address, NODE_BLOCKS);
        Ok(address)
    }

    /// Up to `wanted` blocks in a row for data, leaving `floor` whole quads: address and count. They are kept for who
    /// writes them, and count as used only once the tree has them ([`Self::settle`]): no checkpoint before shows them.
    pub fn allocate_data(&mut self, wanted: u32, floor: u64) -> Result<(u64, u32), Error> {
        let whole = self.free_quads > floor;
        if wanted < QUAD || !whole {
            if let Some((address, count)) = self.find_partial(wanted) {
                self.keep(address, count);
                return Ok((address, count));
            }
        }
        if !whole {
            return Err(Error::NoSpace);
        }
        let most = u64::from(wanted.div_ceil(QUAD)).min(self.free_quads - floor);
        let (first, quads) = self.find_row(most).ok_or(Error::NoSpace)?;
        let count = wanted.min(u32::try_from(quads).unwrap_or(1) * QUAD);
        self.keep(first * u64::from(QUAD), count);
        if count % QUAD != 0 {
            self.partial = first + u64::from(count / QUAD);
        }
        Ok((first * u64::from(QUAD), count))
    }

    /// Kept blocks are in the tree now.
    pub fn settle(&mut self, address: u64, count: u32) {
        for block in address..address + u64::from(count) {
            self.map(block).set_live(block % MAP_BLOCKS, true);
            self.touched.insert(block / MAP_BLOCKS);
        }
        self.used += u64::from(count);
    }

    /// Nobody will write kept blocks.
    pub fn give_back(&mut self, address: u64, count: u32) {
        (address..address + u64::from(count)).for_each(|block| self.set_busy(block, false));
    }

    /// Several blocks in a row, for the table of epochs.
    pub fn allocate_run(&mut self, wanted: u32) -> Result<u64, Error> {
        let quads = u64::from(wanted.div_ceil(QUAD));
        let all = self.maps.len() as u64 * QUADS;
        let found = (0..all).find(|quad| self.quad_is_free(*quad) && self.run(*quad, quads) == quads);
        let address = found.ok_or(Error::NoSpace)? * u64::from(QUAD);
        self.take(address, wanted);
        Ok(address)
    }

    /// Blocks that a replayed log says were allocated.
    pub fn claim(&mut self, address: u64, count: u32) -> Result<(), Malformed> {
        let end = address.checked_add(count.into()).filter(|end| *end <= self.capacity);
        check(end.is_some(), "an extent is behind the volume's end")?;
        let free = (address..address + u64::from(count)).all(|block| !self.is_busy(block));
        check(free, "an extent takes blocks that are in use")?;
        self.take(address, count);
        Ok(())
    }

    /// The newest snapshot is the one of this generation; 0: there is none.
    pub fn pin(&mut self, generation: u64) {
        self.pinned = generation;
    }

    pub fn pinned(&self) -> u64 {
        self.pinned
    }

    /// Blocks that the tree of `generation` no longer has: they are freed, or stay in use for the newest snapshot.
    pub fn leave(&mut self, address: u64, count: u32, birth: u64, generation: u64) -> Result<(), Malformed> {
        if birth > self.pinned {
            return self.free(address, count, generation);
        }
        check(self.is_in_use(address, count), "a block that a snapshot needs was free")?;
        let runs = self.dead.entry(birth).or_default();
        match runs.last_mut() {
            Some((first, length)) if *first + u64::from(*length) == address => *length += count,
            _ => runs.push((address, count)),
        }
        Ok(())
    }

    fn is_in_use(&self, address: u64, count: u32) -> bool {
        let end = address.checked_add(count.into()).filter(|end| *end <= self.capacity);
        end.is_some_and(|end| (address..end).all(|block| self.is_live(block)))
    }

    /// What the dead lists will take in, by birth.
    pub fn dead(&self) -> &BTreeMap<u64, Vec<Run>> {
        &self.dead
    }

    /// The same, for who takes it in.
    pub fn take_dead(&mut self) -> BTreeMap<u64, Vec<Run>> {
        std::mem::take(&mut self.dead)
    }

    /// Nodes that taking it in changes at most: each birth has its place, and what these nodes were dies, too.
    pub fn nodes_for_dead(&self) -> u64 {
        let runs: usize = self.dead.values().map(Vec::len).sum();
        2 * self.dead.len() as u64 + runs as u64 / 128
    }

    /// Maps that changed since they were last asked for.
    pub fn touched(&self) -> u64 {
        self.touched.len() as u64
    }

    /// Blocks that neither the tree of `generation` nor a snapshot has.
    pub fn free(&mut self, address: u64, count: u32, generation: u64) -> Result<(), Malformed> {
        check(self.is_in_use(address, count), "a freed block was free")?;
        for block in address..address + u64::from(count) {
            self.map(block).set_live(block % MAP_BLOCKS, false);
            self.touched.insert(block / MAP_BLOCKS);
        }
        self.used -= u64::from(count);
        self.deferred.entry(generation).or_default().push((address, count));
        Ok(())
    }

    /// A checkpoint is anchored: what it no longer has can be given out.
    pub fn release(&mut self, generation: u64) {
        let later = self.deferred.split_off(&(generation + 1));
        for (address, count) in std::mem::replace(&mut self.deferred, later).into_values().flatten() {
            self.give_back(address, count);
            self.note_emptied(address);
        }
    }

    /// Maps that changed since they were last asked for.
    pub fn take_touched(&mut self) -> Vec<(u64, Vec<u8>)> {
        let touched = std::mem::take(&mut self.touched);
        touched
            .into_iter()
            .map(|index| (index, self.map(index * MAP_BLOCKS).encode()))
            .collect()
    }

    pub fn is_busy(&self, block: u64) -> bool {
        self.at(block).is_some_and(|map| map.is_busy(block % MAP_BLOCKS))
    }

    pub fn is_live(&self, block: u64) -> bool {
        self.at(block).is_some_and(|map| map.is_live(block % MAP_BLOCKS))
    }

    fn at(&self, block: u64) -> Option<&Map> {
        self.maps.get(usize::try_from(block / MAP_BLOCKS).ok()?)?.as_ref()
    }

    fn map(&mut self, block: u64) -> &mut Map {
        let index = block / MAP_BLOCKS;
        let blocks = blocks_of(self.capacity, index);
        self.maps[index as usize].get_or_insert_with(|| Map::new(blocks))
    }

    fn take(&mut self, address: u64, count: u32) {
        self.keep(address, count);
        self.settle(address, count);
    }

    fn keep(&mut self, address: u64, count: u32) {
        (address..address + u64::from(count)).for_each(|block| self.set_busy(block, true));
    }

    fn set_busy(&mut self, block: u64, on: bool) {
        let quad = block / u64::from(QUAD);
        let before = self.quad_is_free(quad);
        self.map(block).set_busy(block % MAP_BLOCKS, on);
        let after = self.quad_is_free(quad);
        let (gained, lost) = (u64::from(after && !before), u64::from(before && !after));
        let (added, taken) = (u64::from(!on), u64::from(on));
        let free = &mut self.free[(block / MAP_BLOCKS) as usize];
        free.quads = free.quads + gained - lost;
        free.blocks = free.blocks + added - taken;
        if gained > 0 {
            free.longest = QUADS;
        }
        self.free_quads = self.free_quads + gained - lost;
        self.free_blocks = self.free_blocks + added - taken;
    }

    fn quad_is_free(&self, quad: u64) -> bool {
        let last = (quad + 1) * u64::from(QUAD) <= self.capacity;
        last && self
            .at(quad * u64::from(QUAD))
            .is_none_or(|map| map.quad_is_free(quad % QUADS))
    }

    /// The first quad of a kind from `cursor` on, round to it again, in maps that may have one.
    fn search(&self, cursor: u64, may: impl Fn(Free) -> bool, is: impl Fn(&Self, u64) -> bool) -> Option<u64> {
        let count = self.maps.len() as u64;
        for step in 0..=count {
            let map = (cursor / QUADS + step) % count;
            if !may(self.free[map as usize]) {
                continue;
            }
            let from = if step == 0 { cursor } else { map * QUADS };
            if let Some(found) = (from..(map + 1) * QUADS).find(|quad| is(self, *quad)) {
                return Some(found);
            }
        }
        None
    }

    /// Free blocks in a partly used quad.
    fn find_partial(&mut self, wanted: u32) -> Option<(u64, u32)> {
        if self.free_blocks == self.free_quads * u64::from(QUAD) {
            return None;
        }
        let found = self.search(self.partial, Free::has_partial, Self::is_partial)?;
        self.partial = found;
        let first = found * u64::from(QUAD);
        let start = (first..first + u64::from(QUAD)).find(|block| self.is_free(*block))?;
        let blocks = (start..first + u64::from(QUAD))
            .take_while(|block| self.is_free(*block))
            .count();
        Some((start, wanted.min(u32::try_from(blocks).unwrap_or(1))))
    }

    fn is_partial(&self, quad: u64) -> bool {
        let first = quad * u64::from(QUAD);
        !self.quad_is_free(quad) && (first..first + u64::from(QUAD)).any(|block| self.is_free(block))
    }

    fn is_free(&self, block: u64) -> bool {
        block < self.capacity && !self.is_busy(block)
    }
}

fn blocks_of(capacity: u64, index: u64) -> u64 {
    capacity.saturating_sub(index * MAP_BLOCKS).min(MAP_BLOCKS)
}

#[cfg(test)]
mod tests;
