//! The custodian as the engine's anchor: the same record, in the words of two crates that do not know each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use casemate_custodian_client::{AnchorRecord, AnchorState, Anchored, Error as Failure, Moved, VolumeAnchor};
use casemate_volume::anchor::{Record, Refusal, State};
use casemate_volume::{Anchor, Error};

/// How long a custodian may be away, as while it is restarted, before calls fail. Programs take a failed fsync for a broken
/// disk: PostgreSQL stops.
const ABSENCE: Duration = Duration::from_secs(20);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// An anchor at the custodian, as long as the lease lives.
#[derive(Clone, Debug)]
pub struct CustodianAnchor {
    anchor: VolumeAnchor,
    held: Arc<Mutex<Option<Held>>>,
    oldest_reader: Option<u64>,
    absence: Duration,
    away: Arc<Mutex<Option<Instant>>>,
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
            absence: ABSENCE,
            away: Arc::default(),
        }
    }

    fn hear(&mut self, anchored: &Anchored) -> Record {
        self.oldest_reader = anchored.oldest_reader;
        told(&anchored.record)
    }

    /// Asks again while nobody answers, or only that it is busy, until the custodian was away for too long: counted from
    /// the first call that noticed, so that a volume which is closed then waits no more. Any other answer counts at once.
    fn waiting<T>(&self, ask: impl Fn(&VolumeAnchor) -> Result<T, Failure>) -> Result<T, Failure> {
        loop {
            let answer = ask(&self.anchor);
            let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(answer, Err(Failure::Unreachable(_))) {
                *away = None;
                return answer;
            }
            if away.get_or_insert_with(Instant::now).elapsed() >= self.absence {
                return answer;
            }
            drop(away);
            thread::sleep(PAUSE);
        }
    }

    /// What the last move was told of another writer.
    pub fn held(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Anchor for CustodianAnchor {
    fn read(&mut self) -> Result<Record, Error> {
        let anchored = self.waiting(VolumeAnchor::read).map_err(failed)?;
        Ok(self.hear(&anchored))
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        // The same move asked again is answered as it was (spec/protocol.md, "Volumes").
        let outcome = self.waiting(|anchor| anchor.compare_and_set(&asked(expected), &asked(new)));
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

fn held(error: &Failure) -> Option<Held> {
    Some(Held {
        wait: Duration::from_secs(error.wait()?),
        why: error.to_string(),
    })
}

fn failed(error: Failure) -> Error {
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
    use std::io::Write;

    use casemate_testing::{Answer, Request, Server, UnsignedPlatform, b64u};
    use serde_json::{Value, json};
    use sha2::{Digest, Sha256};

    use super::*;

    const RECORD: Record = Record {
        volume: [1; 16],
        state: State::Active,
        generation: 2,
        root: [3; 32],
        fence: 4,
    };

    /// The anchor of a lease at a custodian that answers its calls like this; None is silence.
    fn asked_of(
        mut answer: impl FnMut(&casemate_testing::Custodian, &Request) -> Option<Answer> + Send + 'static,
    ) -> CustodianAnchor {
        let custodian = Arc::new(casemate_testing::Custodian::new());
        let own = Arc::clone(&custodian);
        let configuration = json!({"casemate_configuration": 1, "holes": {}, "files": []});
        let server = Server::start(move |request, connection| {
            let answer = match request.path.contains("/volumes/") {
                true => answer(&own, request),
                false => Some(own.genuine(request, [4; 32], &configuration)),
            };
            answer.is_some_and(|answer| connection.write_all(&answer.to_bytes()).is_ok())
        });
        let pinned = casemate_custodian_client::Custodian::pinned(
            &custodian.genesis,
            &custodian.identity(),
            &[server.address()],
        );
        let digest = Sha256::digest(b"manifest").into();
        let mut platform = UnsignedPlatform { host_data: digest };
        let release = pinned
            .unwrap()
            .attest(&mut platform, b"manifest", &digest, &[4; 32], &[]);
        CustodianAnchor::new(release.unwrap().lease.anchor("records").unwrap())
    }

    fn answered(answer: impl Fn(&casemate_testing::Custodian, &Request) -> Answer + Send + 'static) -> CustodianAnchor {
        asked_of(move |custodian, request| Some(answer(custodian, request)))
    }

    fn spelled(outcome: &str, generation: u64) -> Value {
        let record = json!({"volume": b64u([1; 16]), "state": "active", "generation": generation.to_string(),
                            "root": format!("sha256:{}", "03".repeat(32)), "fence": "4"});
        json!({"outcome": outcome, "record": record, "oldest_reader": "1"})
    }

    #[test]
    fn a_record_means_the_same_on_both_sides() {
        for state in [State::Uninitialised, State::Active, State::Retired] {
            let record = Record { state, ..RECORD };
            assert_eq!(told(&asked(&record)), record);
        }
        assert_eq!(asked(&Record::UNINITIALISED), AnchorRecord::UNINITIALISED);
    }

    #[test]
    fn each_answer_tells_the_engine_of_the_oldest_reader() {
        let mut anchor = answered(|custodian, request| {
            let outcome = if request.field("read") == Value::Null {
                "set"
            } else {
                "current"
            };
            let mut answer = spelled(outcome, 2);
            if outcome == "set" {
                answer["oldest_reader"] = json!("7");
            }
            custodian.answer(request, 200, &answer)
        });
        assert_eq!(anchor.oldest_reader(), None);
        assert_eq!(anchor.read().unwrap(), RECORD);
        assert_eq!(anchor.oldest_reader(), Some(1));
        assert_eq!(anchor.compare_and_set(&RECORD, &RECORD).unwrap(), Ok(()));
        assert_eq!(anchor.oldest_reader(), Some(7));
    }

    #[test]
    fn a_custodian_that_is_away_for_a_moment_is_waited_for() {
        let mut calls = 0;
        let mut anchor = asked_of(move |custodian, request| {
            calls += 1;
            // An exchange that is cut off is tried twice, so these are three of them.
            let outcome = if request.field("read") == Value::Null {
                "set"
            } else {
                "current"
            };
            (calls % 7 == 0).then(|| custodian.answer(request, 200, &spelled(outcome, 2)))
        });
        assert_eq!(anchor.compare_and_set(&RECORD, &RECORD).unwrap(), Ok(()));
        assert_eq!(anchor.read().unwrap(), RECORD);
    }

    #[test]
    fn another_record_is_a_conflict_and_no_answer_leaves_it_open() {
        let mut anchor = answered(|custodian, request| custodian.answer(request, 200, &spelled("conflict", 9)));
        let found = Record {
            generation: 9,
            ..RECORD
        };
        let outcome = anchor.compare_and_set(&RECORD, &RECORD).unwrap();
        assert_eq!(outcome, Err(Refusal::Conflict(found)));
        let mut anchor = answered(|custodian, request| custodian.problem(request, 503, "service.busy"));
        anchor.absence = Duration::from_millis(300);
        let begun = Instant::now();
        assert!(matches!(
            anchor.compare_and_set(&RECORD, &RECORD),
            Err(Error::Anchor(_))
        ));
        // The second call waits no more: the custodian is away for too long already.
        let waited = begun.elapsed();
        assert!(matches!(anchor.read(), Err(Error::Anchor(_))));
        assert!(waited >= anchor.absence && begun.elapsed() < waited + anchor.absence);
        assert!(anchor.held().is_none());
    }

    #[test]
    fn a_hold_of_another_writer_is_known_with_its_length() {
        let mut anchor = answered(|custodian, request| {
            let problem = json!({"type": "https://casemate.dev/problems/volume.held", "title": "held", "status": 409,
                                 "code": "volume.held", "id": "00112233445566778899", "wait": 15});
            custodian.answer(request, 409, &problem)
        });
        assert!(anchor.compare_and_set(&RECORD, &RECORD).is_err());
        let held = anchor.held().unwrap();
        assert_eq!(held.wait, Duration::from_secs(15));
        assert!(held.why.contains("volume.held"), "{}", held.why);
    }
}
