//! The custodian as the engine's anchor: the same record, in the words of two crates that do not know each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use casemate_custodian_client::{AnchorRecord, AnchorState, Anchored, Moved, VolumeAnchor};
use casemate_volume::anchor::{Record, Refusal, State};
use casemate_volume::{Anchor, Error};

/// An anchor at the custodian, as long as the lease lives.
#[derive(Clone, Debug)]
pub struct CustodianAnchor {
    anchor: VolumeAnchor,
    held: Arc<Mutex<Option<Held>>>,
    oldest_reader: Option<u64>,
}

/// The custodian's word that another writer holds the volume.
#[derive(Clone, Debug)]
pub struct Held {
    /// For so long.
    pub wait: Duration,
    /// In words.
    pub why: String,
}

impl CustodianAnchor {
    /// Reached by a lease.
    pub fn new(anchor: VolumeAnchor) -> Self {
        Self {
            anchor,
            held: Arc::default(),
            oldest_reader: None,
        }
    }

    fn hear(&mut self, anchored: &Anchored) -> Record {
        self.oldest_reader = anchored.oldest_reader;
        told(&anchored.record)
    }

    /// What the last move was told of another writer.
    pub fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Anchor for CustodianAnchor {
    fn read(&mut self) -> Result<Record, Error> {
        let anchored = self.anchor.read().map_err(failed)?;
        Ok(self.hear(&anchored))
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        let outcome = self.anchor.compare_and_set(&asked(expected), &asked(new));
        let held = outcome.as_ref().err().and_then(held);
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        match outcome.map_err(failed)? {
            Moved::Set(anchored) => {
                self.hear(&anchored);
                Ok(Ok(()))
            }
            Moved::Conflict(anchored) => Ok(Err(Refusal::Conflict(self.hear(&anchored)))),
        }
    }

    /// Nothing is left to do: the custodian answers when it is durable.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn oldest_reader(&self) -> Option<u64> {
        self.oldest_reader
    }
}

fn held(error: &casemate_custodian_client::Error) -> Option<Held> {
    Some(Held {
        wait: Duration::from_secs(error.wait()?),
        why: error.to_string(),
    })
}

fn failed(error: casemate_custodian_client::Error) -> Error {
    Error::Anchor(error.to_string())
}

fn told(record: &AnchorRecord) -> Record {
    Record {
        volume: record.volume,
        state: match record.state {
            AnchorState::Uninitialised => State::Uninitialised,
            AnchorState::Active => State::Active,
            AnchorState::Retired => State::Retired,
        },
        generation: record.generation,
        root: record.root,
        fence: record.fence,
    }
}

fn asked(record: &Record) -> AnchorRecord {
    AnchorRecord {
        volume: record.volume,
        state: match record.state {
            State::Uninitialised => AnchorState::Uninitialised,
            State::Active => AnchorState::Active,
            State::Retired => AnchorState::Retired,
        },
        generation: record.generation,
        root: record.root,
        fence: record.fence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_means_the_same_on_both_sides() {
        for state in [State::Uninitialised, State::Active, State::Retired] {
            let record = Record {
                volume: [1; 16],
                state,
                generation: 2,
                root: [3; 32],
                fence: 4,
            };
            assert_eq!(told(&asked(&record)), record);
        }
        assert_eq!(asked(&Record::UNINITIALISED), AnchorRecord::UNINITIALISED);
    }
}
