//! Mounting: the anchor says what must be there; only when it is, and nobody else can change it, is anything served.

use std::collections::BTreeMap;

use super::anchored::Anchored;
use super::scattered::Scattered;
use super::slots::{self, Slot};
use super::survey::Survey;
use super::{Environment, Freshness, Volume};
use crate::anchor::{Memory, Record, State};
use crate::environment::Random;
use crate::format::epochs::{EPOCHS, Epoch};
use crate::host::File;
use crate::log::{self, Log};
use crate::space::Space;
use crate::store::{Buffer, Store};
use crate::tree::Tree;
use crate::{Error, VolumeKey};

impl Volume {
    /// Mounts for writing. Steps, in this order: the anchor's record (1), the slot that it names (2), the log up to
    /// the anchored head and, where more may be acknowledged, to its end under the recorded fence (3), all of that made
    /// durable (4), the anchor moved to this head under a new fence (5), files without names removed and deletions of snapshots
    /// finished (6).
    ///
    /// # Errors
    /// [`Error::RolledBack`], [`Error::Tampered`], [`Error::WrongVolume`], [`Error::Retired`], [`Error::Fenced`],
    /// [`Error::Unfinished`] for a copy that is under way, or from host and anchor. Nothing is served then.
    pub fn mount(environment: Environment, key: VolumeKey, freshness: Freshness) -> Result<Self, Error> {
        Self::mount_if(environment, key, freshness, Self::check_finished)
    }

    /// Mounts for writing what [`Self::copy`] is to write: an unfinished copy as well.
    ///
    /// # Errors
    /// As [`Self::mount`].
    pub fn mount_for_copy(environment: Environment, key: VolumeKey, freshness: Freshness) -> Result<Self, Error> {
        Self::mount_if(environment, key, freshness, |_| Ok(()))
    }

    fn mount_if(
        environment: Environment,
        key: VolumeKey,
        freshness: Freshness,
        may: impl FnOnce(&Self) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let (mut this, mut random) = Self::recover(environment, key, freshness, true)?;
        may(&this)?;
        this.make_durable()?;
        this.fence(&mut *random)?;
        this.writable = true;
        this.reap_orphans()?;
        this.finish_deletions()?;
        Ok(this)
    }

    /// Mounts what the anchor says, for reading. Writes nothing, and goes no further than the anchored head. Of a copy
    /// that is under way only snapshots can be seen.
    ///
    /// # Errors
    /// As [`Self::mount`].
    pub fn mount_for_reading(environment: Environment, key: VolumeKey, freshness: Freshness) -> Result<Self, Error> {
        Self::recover(environment, key, freshness, false).map(|(this, _)| this)
    }

    fn recover(
        environment: Environment,
        key: VolumeKey,
        freshness: Freshness,
        beyond: bool,
    ) -> Result<(Self, Box<dyn Random>), Error> {
        let Environment {
            host,
            anchor,
            random,
            clock,
        } = environment;
        let slots = slots::read(&*host, &key);
        let anchored = match freshness {
            Freshness::None => unanchored(slots.as_ref())?,
            Freshness::Strict | Freshness::Interval => Anchored::read(anchor)?,
        };
        check_state(&anchored.record)?;
        let ahead = freshness == Freshness::None || !anchored.is_durable();
        let slot = choose(slots, &anchored.record, ahead)?;
        let mut store = Store::new(host, key, slot.head.volume, slot.head.roots, slot.body.capacity);
        store.keys.learn(slot.epoch())?;
        for epoch in store.epochs(&slot.body.epochs, slot.body.epoch_blocks)? {
            store.keys.learn(epoch)?;
        }
        store.look_at_host();
        let names = store.keys.names()?;
        let mut this = Self {
            space: Space::new(slot.body.capacity),
            tree: Tree::of(slot.body.level, slot.body.root),
            log: Log::new(slot.body.log_blocks, slot.body.log),
            next_inode: slot.body.next_inode,
            store,
            names,
            anchored,
            clock,
            freshness,
            slot,
            files: BTreeMap::new(),
            pages: 0,
            piece: None,
            shown: None,
            scratch: Buffer::default(),
            scattered: Scattered::default(),
            survey: Survey::new(),
            writable: false,
            times_left: false,
            snapshot: None,
            unfinished: false,
            changes: 0,
            flight: None,
            latched: None,
        };
        this.load_space()?;
        this.load_snapshots()?;
        let to_the_end = beyond && (ahead || freshness == Freshness::Interval);
        this.replay_log(to_the_end)?;
        this.load_origin()?;
        Ok((this, random))
    }

    /// What was read of log and slot may still be in the host's memory only: the anchor must never be ahead of the
    /// disk. The segments need no flush: what a group or a slot points to was durable before either was written.
    fn make_durable(&mut self) -> Result<(), Error> {
        log::flush(&*self.store.host)?;
        self.log.flushed = self.log.head;
        let flushed = self.store.host.flush(File::Superblock);
        flushed.map_err(|error| Error::host("flush the superblock", &error))
    }

    fn fence(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        if self.store.keys.epochs().len() >= EPOCHS {
            return Err(Error::WornOut);
        }
        let (mut step, mut salt) = ([0; 4], [0; 32]);
        random.fill(&mut step)?;
        random.fill(&mut salt)?;
        let (head, root) = (self.slot.head, self.slot.root(&self.log.head));
        let step = u32::from_le_bytes(step) >> 1;
        self.anchored.take_over(head.volume, head.generation, root, step)?;
        self.store.keys.write_as(Epoch {
            fence: self.anchored.record.fence,
            salt,
        })
    }
}

/// Without an anchor, the newest slot counts.
fn unanchored(slots: Result<&[Result<Slot, Error>; 2], &Error>) -> Result<Anchored, Error> {
    let newest = slots
        .ok()
        .into_iter()
        .flatten()
        .flatten()
        .max_by_key(|slot| slot.head.generation);
    let record = newest.map_or(
        Record {
            state: State::Active,
            ..Record::UNINITIALISED
        },
        |slot| Record {
            volume: slot.head.volume,
            state: State::Active,
            generation: slot.head.generation,
            root: slot.root(&slot.body.log),
            fence: slot.head.fence,
        },
    );
    Anchored::read(Box::new(Memory::new(record)))
}

fn check_state(record: &Record) -> Result<(), Error> {
    match record.state {
        State::Active => Ok(()),
        State::Retired => Err(Error::Retired),
        State::Uninitialised => Err(Error::Missing("the anchor never had one")),
    }
}

/// The slot of the anchored checkpoint; or a newer one of the recorded writer, where the anchor may have lost updates.
fn choose(slots: Result<[Result<Slot, Error>; 2], Error>, record: &Record, ahead: bool) -> Result<Slot, Error> {
    let slots = slots.map_err(|error| match error {
        Error::Missing(why) => rolled_back(record, why.into()),
        other => other,
    })?;
    let (mut best, mut newest, mut broken) = (None::<Slot>, None::<Slot>, None);
    for slot in slots {
        match slot {
            Err(error) => broken = Some(worse(broken, error)),
            Ok(slot) => {
                if slot.head.volume != record.volume {
                    return Err(wrong_volume(record, &slot));
                }
                let newer = |than: &Option<Slot>| {
                    than.as_ref()
                        .is_none_or(|than| than.head.generation < slot.head.generation)
                };
                let descends = ahead && slot.head.generation > record.generation && slot.head.fence == record.fence;
                if (slot.head.generation == record.generation || descends) && newer(&best) {
                    best = Some(slot.clone());
                }
                if newer(&newest) {
                    newest = Some(slot);
                }
            }
        }
    }
    match (best, newest, broken) {
        (Some(best), _, _) => Ok(best),
        (None, Some(newest), None) => Err(rolled_back(record, format!("generation {}", newest.head.generation))),
        (None, _, Some(error)) => Err(error),
        (None, None, None) => Err(Error::tampered("the superblock", File::Superblock.name())),
    }
}

/// Of two reasons, the one that says more.
fn worse(first: Option<Error>, second: Error) -> Error {
    match first {
        Some(first) if !matches!(second, Error::Unsupported { .. }) => first,
        _ => second,
    }
}

fn wrong_volume(record: &Record, slot: &Slot) -> Error {
    Error::WrongVolume {
        expected: hex(&record.volume),
        got: hex(&slot.head.volume),
    }
}

pub(super) fn rolled_back(record: &Record, got: String) -> Error {
    Error::RolledBack {
        expected: format!("generation {}", record.generation),
        got,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
