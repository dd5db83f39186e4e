//! Sealed blocks on the host: written under this writer's key, read and verified under whichever sealed them.

mod blocks;
mod buffer;
mod cache;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::format::epochs::Epoch;
use crate::format::node::{self, Stored};
use crate::format::pointer::{Check, Pointer};
use crate::format::{BLOCK, NODE, Roots, SEGMENT_BLOCKS};
use crate::host::{File, Host};
use crate::seal::{EpochKey, Purpose};
use crate::{Error, VolumeKey};

pub use blocks::{Blocks, starts_segment};
pub use buffer::Buffer;
use cache::Cache;
pub use keys::Keys;

/// Segments grow by this many bytes, so that the host's own metadata changes rarely.
const GROWTH: u64 = 16 << 20;

/// The nonce and check of something sealed.
#[derive(Clone, Copy, Debug)]
pub struct Sealed {
    pub fence: u64,
    pub counter: u64,
    pub check: Check,
}

/// Host, keys and cache.
pub struct Store {
    pub host: Arc<dyn Host>,
    pub roots: Roots,
    pub capacity: u64,
    pub keys: Keys,
    cache: Cache,
    lengths: BTreeMap<u32, u64>,
    /// Blocks that the host has no room for, when it was last asked.
    beyond: u64,
    unflushed: BTreeSet<u32>,
}

impl Store {
    pub fn new(host: Box<dyn Host>, key: VolumeKey, volume: [u8; 16], roots: Roots, capacity: u64) -> Self {
        Self {
            host: Arc::from(host),
            roots,
            capacity,
            keys: Keys::new(key, volume),
            cache: Cache::default(),
            lengths: BTreeMap::new(),
            beyond: 0,
            unflushed: BTreeSet::new(),
        }
    }

    /// Encrypts in place with this writer's key and its next counter.
    pub fn seal(&mut self, purpose: Purpose, bytes: &mut [u8]) -> Result<Sealed, Error> {
        let (fence, counter, key) = self.keys.next()?;
        let check = self.blocks().seal(&key, purpose, counter, bytes)?;
        Ok(Sealed { fence, counter, check })
    }

    /// Reads and opens blocks that a pointer or an extent describes.
    pub fn open(&mut self, purpose: Purpose, address: u64, sealed: &Sealed, plaintext: &mut [u8]) -> Result<(), Error> {
        let mut bytes = vec![0; plaintext.len()];
        let blocks = self.blocks();
        blocks.read(address, &mut bytes)?;
        let key = self.key(sealed.fence, address)?;
        blocks.open((&key, purpose), address, sealed, &bytes, plaintext)
    }

    /// What it takes to seal and open blocks without this store.
    pub fn blocks(&self) -> Blocks {
        Blocks {
            host: Arc::clone(&self.host),
            volume: self.keys.volume,
            roots: self.roots,
            capacity: self.capacity,
        }
    }

    /// The key of the epoch that sealed the blocks at an address.
    pub fn key(&mut self, fence: u64, address: u64) -> Result<Arc<EpochKey>, Error> {
        let key = self.keys.of(fence);
        key.ok_or_else(|| Error::tampered("an epoch", place(address)))
    }

    /// A node, from the cache or verified.
    pub fn node(&mut self, pointer: &Pointer, level: u8) -> Result<Arc<Stored>, Error> {
        if let Some(found) = self.cache.get(pointer, level) {
            return Ok(found);
        }
        let mut plaintext = vec![0; NODE];
        self.open(Purpose::Node, pointer.address, &of(pointer), &mut plaintext)?;
        let decoded = node::decode(&plaintext, level, self.roots);
        let decoded = Arc::new(decoded.map_err(|malformed| Error::malformed(malformed, place(pointer.address)))?);
        self.cache.insert(pointer, level, Arc::clone(&decoded));
        Ok(decoded)
    }

    /// Seals and writes a node.
    pub fn write_node(&mut self, stored: Stored, address: u64, birth: u64) -> Result<Pointer, Error> {
        let mut bytes = node::encode(&stored, self.roots);
        let sealed = self.seal(Purpose::Node, &mut bytes)?;
        self.write(address, &bytes)?;
        let pointer = pointer(address, birth, &sealed);
        let level = match &stored {
            Stored::Leaf(_) => 0,
            Stored::Inner(level, _) => *level,
        };
        self.cache.insert(&pointer, level, Arc::new(stored));
        Ok(pointer)
    }

    /// Writes sealed blocks; durable after [`Self::flush`].
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.reach(address, bytes.len())?;
        self.blocks().write(address, bytes)?;
        self.wrote(address);
        Ok(())
    }

    /// Somebody wrote blocks of one segment: the next flush has to make them durable.
    pub fn wrote(&mut self, address: u64) {
        let segment = u32::try_from(address / SEGMENT_BLOCKS).unwrap_or(u32::MAX);
        self.unflushed.insert(segment);
    }

    /// Makes all written blocks durable.
    pub fn flush(&mut self) -> Result<(), Error> {
        let unflushed = self.take_unflushed();
        flush(&*self.host, &unflushed)
    }

    /// Segments with blocks that no flush made durable, for who flushes them now. Where that fails, what was durable
    /// is unknown: nobody may flush again and believe it.
    pub fn take_unflushed(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.unflushed)
    }

    fn length(&mut self, segment: u32) -> Result<Option<u64>, Error> {
        if let Some(length) = self.lengths.get(&segment) {
            return Ok(Some(*length));
        }
        let length = self.host.length(File::Segment(segment));
        let length = length.map_err(|error| Error::host("look at a segment", &error))?;
        if let Some(length) = length {
            self.lengths.insert(segment, length);
        }
        Ok(length)
    }

    /// Makes the segment of an address so long that `length` bytes can be written there.
    pub fn reach(&mut self, address: u64, length: usize) -> Result<(), Error> {
        let (segment, offset) = self.blocks().locate(address, length)?;
        let end = offset + length as u64;
        let room = (self.capacity - u64::from(segment) * SEGMENT_BLOCKS).min(SEGMENT_BLOCKS) * BLOCK as u64;
        let wanted = end.next_multiple_of(GROWTH).min(room);
        match self.length(segment)? {
            Some(length) if length >= end => return Ok(()),
            Some(_) => {
                let grown = self.host.grow(File::Segment(segment), wanted);
                grown.map_err(|error| full_or("grow a segment", &error))?;
            }
            None => {
                let created = self.host.create(File::Segment(segment), wanted);
                created.map_err(|error| full_or("make a segment", &error))?;
            }
        }
        self.lengths.insert(segment, wanted);
        Ok(())
    }

    /// Blocks of the volume that the host has no room for. They count as taken: an application learns in time that
    /// there is no space, while there is still enough to delete something.
    pub fn beyond_host(&self) -> u64 {
        self.beyond
    }

    /// Asks the host how much room there is: at a mount and at every checkpoint. What the volume itself takes in between
    /// changes nothing of the answer.
    pub fn look_at_host(&mut self) {
        if let Ok(Some(room)) = self.host.room() {
            self.beyond = self.capacity.saturating_sub(room / BLOCK as u64);
        }
    }

    /// The table of epochs that a slot points to.
    pub fn epochs(&mut self, pointer: &Pointer, blocks: u32) -> Result<Vec<Epoch>, Error> {
        let mut plaintext = vec![0; blocks as usize * BLOCK];
        self.open(Purpose::Epochs, pointer.address, &of(pointer), &mut plaintext)?;
        let decoded = crate::format::epochs::decode(&plaintext);
        decoded.map_err(|malformed| Error::malformed(malformed, place(pointer.address)))
    }
}

/// A host without space is a volume without space.
fn full_or(doing: &str, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::NoSpace,
        _ => Error::host(doing, error),
    }
}

/// Makes the written blocks of some segments durable.
pub fn flush(host: &dyn Host, segments: &BTreeSet<u32>) -> Result<(), Error> {
    segments.iter().try_for_each(|segment| {
        let flushed = host.flush(File::Segment(*segment));
        flushed.map_err(|error| Error::host("flush a segment", &error))
    })
}

/// The pointer to something sealed.
pub fn pointer(address: u64, birth: u64, sealed: &Sealed) -> Pointer {
    Pointer {
        address,
        fence: sealed.fence,
        counter: sealed.counter,
        birth,
        check: sealed.check,
    }
}

fn of(pointer: &Pointer) -> Sealed {
    Sealed {
        fence: pointer.fence,
        counter: pointer.counter,
        check: pointer.check,
    }
}

/// Where an address is, for people.
pub fn place(address: u64) -> String {
    let segment = u32::try_from(address / SEGMENT_BLOCKS).unwrap_or(u32::MAX);
    format!(
        "{}, byte {}",
        File::Segment(segment),
        address % SEGMENT_BLOCKS * BLOCK as u64
    )
}

fn named(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Data => "data of a file",
        Purpose::Node => "a node of the tree",
        Purpose::Log => "the log",
        Purpose::Slot => "the superblock",
        Purpose::Epochs => "the table of epochs",
    }
}
