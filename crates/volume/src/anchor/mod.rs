//! Where a volume's newest root is kept, out of the host's reach.

mod file;
mod memory;

pub use file::{Durability, InsecureFile};
pub use memory::Memory;

use crate::Error;

/// Whether the volume lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was ever written. It becomes active once, ever.
    Uninitialised,
    /// In use.
    Active,
    /// Closed for ever.
    Retired,
}

/// What an anchor remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Identity of the volume.
    pub volume: [u8; 16],
    /// Whether it lives.
    pub state: State,
    /// Newest anchored checkpoint.
    pub generation: u64,
    /// Binds that checkpoint and the log up to some group.
    pub root: [u8; 32],
    /// Number of the writer that may move the record.
    pub fence: u64,
}

impl Record {
    /// Of a volume that is about to be made.
    pub const UNINITIALISED: Self = Self {
        volume: [0; 16],
        state: State::Uninitialised,
        generation: 0,
        root: [0; 32],
        fence: 0,
    };
}

/// Why a record did not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The record is not the expected one; this is.
    Conflict(Record),
}

/// A register with compare-and-set.
///
/// An `Err(Error::Anchor)` leaves the outcome unknown: the engine reads the record back before it goes on.
pub trait Anchor: Send {
    /// The record.
    ///
    /// # Errors
    /// [`Error::Anchor`] when there is no answer.
    fn read(&mut self) -> Result<Record, Error>;

    /// Sets the record to `new` if it is `expected`.
    ///
    /// # Errors
    /// [`Error::Anchor`] when there is no answer.
    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error>;

    /// Makes what was set durable, where that is not so already: at the start of a mount and at its end.
    ///
    /// # Errors
    /// [`Error::Anchor`] when that failed.
    fn flush(&mut self) -> Result<(), Error>;

    /// Whether an update is durable when it returns. If not, the disk may be ahead after a loss of power, and what
    /// the recorded writer wrote behind the anchored root counts.
    fn is_durable(&self) -> bool;

    /// The oldest generation that a registered reader still uses, as the last answer to `read` or `compare_and_set`
    /// said. Who registers a reader gives it the record and pins that record's generation in one step; then no block
    /// of it is used again by this writer. A writer that mounts later does not know what was freed before: readers of
    /// generations before its mount mount anew. All that is freed meanwhile waits, too: a reader that stays makes a busy
    /// volume full, so a registration should end by itself.
    fn oldest_reader(&self) -> Option<u64> {
        None
    }
}
