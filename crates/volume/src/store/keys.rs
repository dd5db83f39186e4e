//! The keys of all epochs whose blocks are still there, and this writer's counter.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::format::epochs::Epoch;
use crate::seal::{EpochKey, NamesKey};
use crate::{Error, VolumeKey};

/// Salts and derived keys by fence.
pub struct Keys {
    pub volume: [u8; 16],
    master: VolumeKey,
    salts: BTreeMap<u64, [u8; 32]>,
    derived: BTreeMap<u64, Arc<EpochKey>>,
    writer: Option<Writer>,
}

struct Writer {
    fence: u64,
    counter: u64,
}

impl Keys {
    pub fn new(master: VolumeKey, volume: [u8; 16]) -> Self {
        Self {
            volume,
            master,
            salts: BTreeMap::new(),
            derived: BTreeMap::new(),
            writer: None,
        }
    }

    /// Learns of an epoch. One fence never has two salts: whoever shows another is refused.
    pub fn learn(&mut self, epoch: Epoch) -> Result<(), Error> {
        match self.salts.insert(epoch.fence, epoch.salt) {
            Some(known) if known != epoch.salt => Err(Error::tampered("an epoch", "the table of epochs")),
            _ => Ok(()),
        }
    }

    /// Makes this the writer's epoch: the fence must be one that no writer had.
    pub fn write_as(&mut self, epoch: Epoch) -> Result<(), Error> {
        self.learn(epoch)?;
        self.writer = Some(Writer {
            fence: epoch.fence,
            counter: 0,
        });
        Ok(())
    }

    pub fn epochs(&self) -> Vec<Epoch> {
        self.salts
            .iter()
            .map(|(fence, salt)| Epoch {
                fence: *fence,
                salt: *salt,
            })
            .collect()
    }

    pub fn salt(&self, fence: u64) -> Option<[u8; 32]> {
        self.salts.get(&fence).copied()
    }

    /// The key of an epoch that is known.
    pub fn of(&mut self, fence: u64) -> Option<Arc<EpochKey>> {
        if let Some(known) = self.derived.get(&fence) {
            return Some(Arc::clone(known));
        }
        let salt = self.salts.get(&fence)?;
        let derived = Arc::new(self.master.epoch(&self.volume, fence, salt).ok()?);
        self.derived.insert(fence, Arc::clone(&derived));
        Some(derived)
    }

    /// The key that somebody claims for an epoch; nothing is learnt until it opened something.
    pub fn claimed(&self, epoch: &Epoch) -> Result<EpochKey, Error> {
        self.master.epoch(&self.volume, epoch.fence, &epoch.salt)
    }

    /// This writer's fence, next counter and key.
    pub fn next(&mut self) -> Result<(u64, u64, Arc<EpochKey>), Error> {
        self.reserve(1)
    }

    /// The same for several counters in a row, of which this is the first. None of them is ever given out again, used
    /// or not.
    pub fn reserve(&mut self, count: u64) -> Result<(u64, u64, Arc<EpochKey>), Error> {
        let writer = self.writer.as_mut().ok_or(Error::ReadOnly)?;
        let (fence, counter) = (writer.fence, writer.counter);
        writer.counter += count;
        let key = self.of(fence).ok_or(Error::Random)?;
        Ok((fence, counter, key))
    }

    pub fn names(&self) -> Result<NamesKey, Error> {
        self.master.names(&self.volume)
    }
}
