//! An anchor for tests: as durable as the process.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Anchor, Record, Refusal};
use crate::Error;

/// A register in memory; clones share it.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Mutex<Record>>);

impl Memory {
    /// A register with this record.
    #[must_use]
    pub fn new(record: Record) -> Self {
        Self(Arc::new(Mutex::new(record)))
    }

    /// What it holds.
    #[must_use]
    pub fn record(&self) -> Record {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(Record::UNINITIALISED)
    }
}

impl Anchor for Memory {
    fn read(&mut self) -> Result<Record, Error> {
        Ok(self.record())
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *record != *expected {
            return Ok(Err(Refusal::Conflict(*record)));
        }
        *record = *new;
        Ok(Ok(()))
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}
