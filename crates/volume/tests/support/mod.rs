//! What the tests of the engine share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part of it; a test says by panicking"
)]

pub mod between;
pub mod copies;
pub mod disk;
pub mod faults;
pub mod model;
pub mod operations;
pub mod slow;
pub mod vectors;

use casemate_volume::anchor::{Memory, Record};
use casemate_volume::{Anchor, Clock, Environment, Error, Form, Freshness, Random, Roots, Time, Volume, VolumeKey};

use disk::{Disk, Recorded};

/// The volume key of all tests.
pub const KEY: [u8; 32] = [7; 32];

/// A small volume.
pub const SMALL: Form = Form {
    roots: Roots::Tag,
    capacity: 4 << 20,
    log: 256 << 10,
};

/// SplitMix64: the same bytes every time.
#[derive(Clone, Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        bytes.iter_mut().for_each(|byte| *byte = self.next() as u8);
        Ok(())
    }
}

/// A second at each look.
#[derive(Clone, Debug, Default)]
pub struct Ticks(pub i64);

impl Clock for Ticks {
    fn now(&mut self) -> Time {
        self.0 += 1;
        Time {
            seconds: self.0,
            nanoseconds: 0,
        }
    }
}

/// A machine around a disk.
#[derive(Clone)]
pub struct Machine {
    pub disk: Disk,
    pub anchor: Memory,
    pub durable: bool,
    pub seed: u64,
    pub key: [u8; 32],
}

impl Machine {
    pub fn new() -> Self {
        Self {
            disk: Disk::default(),
            anchor: Memory::default(),
            durable: true,
            seed: 1,
            key: KEY,
        }
    }

    pub fn of(disk: Disk, record: Record) -> Self {
        Self {
            disk,
            anchor: Memory::new(record),
            durable: true,
            seed: 99,
            key: KEY,
        }
    }

    pub fn environment(&self) -> Environment {
        let (memory, disk) = (self.anchor.clone(), self.disk.clone());
        self.with(Box::new(Recorded {
            memory,
            disk,
            durable: self.durable,
        }))
    }

    pub fn with(&self, anchor: Box<dyn Anchor>) -> Environment {
        Environment {
            host: Box::new(self.disk.clone()),
            anchor,
            random: Box::new(Seeded(self.seed)),
            clock: Box::new(Ticks::default()),
        }
    }

    pub fn create(&self, form: &Form) -> Result<[u8; 16], Error> {
        Volume::create(self.environment(), VolumeKey::new(self.key), form)
    }

    pub fn mount(&mut self, freshness: Freshness) -> Result<Volume, Error> {
        self.seed += 1;
        Volume::mount(self.environment(), VolumeKey::new(self.key), freshness)
    }

    pub fn mount_for_copy(&mut self) -> Result<Volume, Error> {
        self.seed += 1;
        Volume::mount_for_copy(self.environment(), VolumeKey::new(self.key), Freshness::Strict)
    }

    pub fn mount_for_reading(&self, freshness: Freshness) -> Result<Volume, Error> {
        Volume::mount_for_reading(self.environment(), VolumeKey::new(self.key), freshness)
    }
}
