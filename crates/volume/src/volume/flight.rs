//! What an fsync does that needs no tree: writes, flushes, and the move of the anchor.
//!
//! A flight takes off with everything that was pending ([`Volume::take_off`]), runs while others use the volume, and
//! lands when the volume next looks at its log or its anchor ([`Volume::land`]). There is one at a time: whoever would
//! need a second waits for the first, which itself waits for nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::anchored::Register;
use super::{Freshness, Volume};
use crate::format::superblock::LogHead;
use crate::host::Host;
use crate::log::{self, Sealed};
use crate::{Error, store};

/// What a flight is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goal {
    /// All that was pending becomes durable, and anchored where an fsync waits for that.
    pub durable: bool,
    /// The anchor moves to all that is durable, and becomes durable itself.
    pub anchored: bool,
}

impl Goal {
    /// Of an fsync.
    pub const DURABLE: Self = Self {
        durable: true,
        anchored: false,
    };
    /// Of an interval's end.
    pub const ANCHORED: Self = Self {
        durable: false,
        anchored: true,
    };

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self {
            durable: self.durable || other.durable,
            anchored: self.anchored || other.anchored,
        }
    }
}

/// Work that is under way.
pub struct Flight {
    host: Arc<dyn Host>,
    segments: BTreeSet<u32>,
    group: Option<Sealed>,
    /// What is durable at its end; `None` where it is already.
    head: Option<LogHead>,
    moves: Option<Move>,
    landing: Arc<Landing>,
}

/// A move of the anchor.
struct Move {
    register: Arc<Mutex<Register>>,
    generation: u64,
    root: [u8; 32],
    flush: bool,
}

/// How a flight ended.
struct Landed {
    durable: Result<Option<LogHead>, Error>,
    /// `None` where the anchor was not to be moved, or was not tried.
    anchored: Option<Result<(), Error>>,
}

/// Where a flight leaves how it ended.
#[derive(Default)]
pub struct Landing {
    landed: Mutex<Option<Landed>>,
    arrived: Condvar,
}

impl Flight {
    /// Runs. What it made of it reaches the volume with [`Volume::land`].
    ///
    /// # Errors
    /// Those of [`Volume::fsync`].
    pub fn run(mut self) -> Result<(), Error> {
        let durable = self.make_durable();
        let anchored = match (&durable, self.moves.take()) {
            (Ok(_), Some(moves)) => Some(moves.run()),
            _ => None,
        };
        let outcome = match (&durable, &anchored) {
            (Err(error), _) | (_, Some(Err(error))) => Err(error.clone()),
            _ => Ok(()),
        };
        self.landing.set(Landed { durable, anchored });
        outcome
    }

    fn make_durable(&self) -> Result<Option<LogHead>, Error> {
        store::flush(&*self.host, &self.segments)?;
        if let Some(group) = &self.group {
            group.write(&*self.host)?;
        }
        if self.head.is_some() {
            log::flush(&*self.host)?;
        }
        Ok(self.head)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.landing.set(Landed {
            durable: Err(Error::Host("a flush was given up".into())),
            anchored: None,
        });
    }
}

impl Move {
    fn run(self) -> Result<(), Error> {
        let mut register = self.register.lock();
        register.advance(self.generation, self.root)?;
        if self.flush { register.flush() } else { Ok(()) }
    }
}

impl Landing {
    /// The first word counts.
    fn set(&self, landed: Landed) {
        self.landed.lock().get_or_insert(landed);
        self.arrived.notify_all();
    }

    fn take(&self) -> Option<Landed> {
        let mut landed = self.landed.lock();
        self.arrived.wait_while(&mut landed, |landed| landed.is_none());
        landed.take()
    }
}

impl Volume {
    /// Seals all that is pending, for a flight.
    ///
    /// # Errors
    /// Those of [`Volume::fsync`].
    pub(crate) fn take_off(&mut self, goal: Goal) -> Result<Flight, Error> {
        self.land();
        self.check_writable()?;
        let mut flight = Flight {
            host: Arc::clone(&self.store.host),
            segments: BTreeSet::new(),
            group: None,
            head: None,
            moves: None,
            landing: Arc::default(),
        };
        if goal.durable {
            flight.segments = self.store.take_unflushed();
            flight.group = self.seal_group()?;
            flight.head = (self.log.flushed != self.log.head).then_some(self.log.head);
        }
        if goal.anchored || self.freshness == Freshness::Strict {
            flight.moves = Some(Move {
                register: self.anchored.register(),
                generation: self.slot.head.generation,
                root: self.slot.root(&flight.head.unwrap_or(self.log.flushed)),
                flush: goal.anchored,
            });
        }
        self.flight = Some(Arc::clone(&flight.landing));
        Ok(flight)
    }

    fn seal_group(&mut self) -> Result<Option<Sealed>, Error> {
        if self.log.pending() == 0 {
            return Ok(None);
        }
        let group = self.log.seal(&mut self.store);
        self.latch(group).map(Some)
    }

    /// Takes in how the last flight ended; waits for it.
    pub(crate) fn land(&mut self) {
        let Some(landed) = self.flight.take().and_then(|landing| landing.take()) else {
            return;
        };
        match landed.durable {
            Ok(head) => self.log.flushed = head.unwrap_or(self.log.flushed),
            Err(error) => drop(self.latch::<()>(Err(error))),
        }
        if let Some(moved) = landed.anchored {
            // Those who waited for it have the error.
            let _ = self.anchor_moved(moved);
        }
    }
}
