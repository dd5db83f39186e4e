//! The custodian as the engine's anchor: the same record, in the words of two crates that do not know each other.

use std::thread;
use std::time::{Duration, Instant};

use casemate_custodian_client::{AnchorRecord, AnchorState, Moved, VolumeAnchor};
use casemate_volume::anchor::{Record, Refusal, State};
use casemate_volume::{Anchor, Error};

use crate::tell;

/// How long a start waits for a volume that a writer before it still holds: the short lease of one that was killed.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it asks.
const PAUSE: Duration = Duration::from_secs(1);

/// An anchor at the custodian, as long as the lease lives.
#[derive(Debug)]
pub struct CustodianAnchor(pub VolumeAnchor);

impl Anchor for CustodianAnchor {
    fn read(&mut self) -> Result<Record, Error> {
        self.0.read().map(|anchored| told(&anchored.record)).map_err(failed)
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        let began = Instant::now();
        let outcome = loop {
            match self.0.compare_and_set(&asked(expected), &asked(new)) {
                Err(error) if is_worth_waiting(&error, began) => thread::sleep(PAUSE),
                other => break other.map_err(failed)?,
            }
        };
        match outcome {
            Moved::Set(_) => Ok(Ok(())),
            Moved::Conflict(anchored) => Ok(Err(Refusal::Conflict(told(&anchored.record)))),
        }
    }

    /// Nothing is left to do: the custodian answers when it is durable.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// Whether another writer's hold may end before patience does.
fn is_worth_waiting(error: &casemate_custodian_client::Error, began: Instant) -> bool {
    let Some(wait) = error.wait().map(Duration::from_secs) else {
        return false;
    };
    let waited = began.elapsed();
    if waited < PAUSE {
        tell(&format_args!("a volume is held by the writer before: {error}"));
    }
    waited + wait <= PATIENCE
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
