//! Moving the anchor, and finding out what became of a move that got no answer.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::anchor::{Record, Refusal, State};
use crate::format::superblock::LogHead;
use crate::seal::sha256;
use crate::{Anchor, Error};

/// The anchor as its volume sees it: a flight may be moving it.
pub struct Anchored {
    register: Arc<Mutex<Register>>,
    /// What it held when the volume last looked.
    pub record: Record,
    durable: bool,
}

/// The anchor and what it is known to hold.
pub struct Register {
    anchor: Box<dyn Anchor>,
    record: Record,
    /// A move whose outcome is unknown.
    doubt: Option<Record>,
}

impl Anchored {
    pub fn read(mut anchor: Box<dyn Anchor>) -> Result<Self, Error> {
        let (record, durable) = (anchor.read()?, anchor.is_durable());
        let register = Register {
            anchor,
            record,
            doubt: None,
        };
        Ok(Self {
            register: Arc::new(Mutex::new(register)),
            record,
            durable,
        })
    }

    /// The register, for a flight.
    pub fn register(&self) -> Arc<Mutex<Register>> {
        Arc::clone(&self.register)
    }

    /// Looks at what the register holds now.
    pub fn look(&mut self) {
        self.record = self.register.lock().record;
    }

    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// Newest generation of which the freed space can be used again: no reader has an older one.
    pub fn reclaimable(&self) -> u64 {
        let generation = self.record.generation;
        let oldest = self.register.lock().anchor.oldest_reader();
        oldest.map_or(generation, |oldest| oldest.min(generation))
    }

    /// Whether a writer went on since this was read. An anchor that does not answer says nothing.
    pub fn has_moved(&self) -> bool {
        let found = self.register.lock().anchor.read();
        found.is_ok_and(|found| (found.generation, found.root) != (self.record.generation, self.record.root))
    }

    /// As [`Register::advance`].
    pub fn advance(&mut self, generation: u64, root: [u8; 32]) -> Result<(), Error> {
        self.change(|register| register.advance(generation, root))
    }

    /// As [`Register::take_over`].
    pub fn take_over(&mut self, volume: [u8; 16], generation: u64, root: [u8; 32], step: u32) -> Result<(), Error> {
        self.change(|register| register.take_over(volume, generation, root, step))
    }

    /// As [`Register::retire`].
    pub fn retire(&mut self) -> Result<(), Error> {
        self.change(Register::retire)
    }

    /// Makes what was set durable.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.change(Register::flush)
    }

    fn change(&mut self, action: impl FnOnce(&mut Register) -> Result<(), Error>) -> Result<(), Error> {
        let mut register = self.register.lock();
        let outcome = action(&mut register);
        self.record = register.record;
        outcome
    }
}

impl Register {
    /// Moves the record to a newer head under this writer's fence.
    pub fn advance(&mut self, generation: u64, root: [u8; 32]) -> Result<(), Error> {
        self.resolve()?;
        self.set(Record {
            generation,
            root,
            state: State::Active,
            ..self.record
        })
    }

    /// Takes the record over for a new writer. The fence rises by a random step: two writers that try at the same
    /// moment never claim the same record, so that each can tell whose it became.
    fn take_over(&mut self, volume: [u8; 16], generation: u64, root: [u8; 32], step: u32) -> Result<(), Error> {
        let fence = self.record.fence.checked_add(1 + u64::from(step));
        let fence = fence.ok_or_else(|| Error::Anchor("it has no greater fence".into()))?;
        self.set(Record {
            volume,
            state: State::Active,
            generation,
            root,
            fence,
        })?;
        self.anchor.flush()
    }

    /// Closes the volume for ever.
    fn retire(&mut self) -> Result<(), Error> {
        self.resolve()?;
        self.set(Record {
            state: State::Retired,
            ..self.record
        })?;
        self.anchor.flush()
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.anchor.flush()
    }

    fn set(&mut self, new: Record) -> Result<(), Error> {
        if new == self.record {
            return Ok(());
        }
        self.doubt = Some(new);
        match self.anchor.compare_and_set(&self.record, &new) {
            Ok(Ok(())) => self.settle(new),
            Ok(Err(Refusal::Conflict(found))) => self.judge(found),
            Err(_) => self.resolve(),
        }
        .and_then(|()| match self.record == new {
            true => Ok(()),
            false => Err(Error::Anchor("it did not take the update".into())),
        })
    }

    /// Reads back what became of a move that got no answer.
    fn resolve(&mut self) -> Result<(), Error> {
        if self.doubt.is_none() {
            return Ok(());
        }
        let found = self.anchor.read()?;
        self.judge(found)
    }

    fn judge(&mut self, found: Record) -> Result<(), Error> {
        if Some(found) == self.doubt || found == self.record {
            return self.settle(found);
        }
        Err(Error::Fenced(found.fence))
    }

    fn settle(&mut self, record: Record) -> Result<(), Error> {
        self.record = record;
        self.doubt = None;
        Ok(())
    }
}

/// What the anchor keeps of a checkpoint and the log behind it.
pub fn root(volume: &[u8; 16], generation: u64, body: &[u8], log: &LogHead) -> [u8; 32] {
    sha256(&[
        b"casemate/volume/root/v1",
        volume,
        &generation.to_le_bytes(),
        &sha256(&[body]),
        &log.sequence.to_le_bytes(),
        &log.link,
    ])
}
