//! The anchor of a volume: asked with the lease's key, believed from nobody but the custodian, never guessed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod asked;

use std::sync::{Arc, Mutex};

use asked::{GENESIS, attest, configuration};
use casemate_custodian_client::{AnchorRecord, AnchorState, Anchored, Error, Moved, VolumeAnchor};
use casemate_testing::{Answer, Custodian, Request, Server, b64u};
use serde_json::{Value, json};

type Asked = Arc<Mutex<Vec<Request>>>;

const OLD: AnchorRecord = AnchorRecord {
    volume: [7; 16],
    state: AnchorState::Active,
    generation: 1 << 60,
    root: [0xab; 32],
    fence: u64::MAX,
};

fn new() -> AnchorRecord {
    AnchorRecord {
        generation: OLD.generation + 1,
        ..OLD
    }
}

fn spelled(record: &AnchorRecord) -> Value {
    let state = format!("{:?}", record.state).to_lowercase();
    let root = record.root.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({"volume": b64u(record.volume), "state": state, "generation": record.generation.to_string(),
           "root": format!("sha256:{root}"), "fence": record.fence.to_string()})
}

/// The anchor of `records`, whose calls are answered like this; and every call that arrived.
fn anchor(answer: impl Fn(&Custodian, &Request, usize) -> Answer + Send + 'static) -> (VolumeAnchor, Asked) {
    let custodian = Arc::new(Custodian::new());
    let (own, seen) = (Arc::clone(&custodian), Asked::default());
    let arrived = Arc::clone(&seen);
    let server = Server::answering(move |request| {
        if !request.path.contains("/volumes/") {
            return own.genuine(request, GENESIS, &configuration());
        }
        let mut arrived = arrived.lock().unwrap();
        arrived.push(request.clone());
        answer(&own, request, arrived.len())
    });
    let release = attest(&custodian, &[server.address()]).unwrap();
    (release.lease.anchor("records").unwrap(), seen)
}

fn answering(outcome: &'static str, record: Value) -> (VolumeAnchor, Asked) {
    anchor(move |custodian, request, _| custodian.answer(request, 200, &json!({"outcome": outcome, "record": record})))
}

#[test]
fn a_record_is_read_with_what_readers_hold() {
    let (anchor, seen) = anchor(|custodian, request, _| {
        let answer = json!({"outcome": "current", "record": spelled(&OLD), "oldest_reader": "5"});
        custodian.answer(request, 200, &answer)
    });
    assert_eq!(
        anchor.read().unwrap(),
        Anchored {
            record: OLD,
            oldest_reader: Some(5)
        }
    );
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].path, format!("/v1/leases/{}/volumes/records", b64u([3; 16])));
    assert_eq!(seen[0].field("read"), json!({}));
}

#[test]
fn a_record_is_moved_in_place_of_the_expected_one() {
    let (anchor, seen) = answering("set", spelled(&new()));
    let moved = anchor.compare_and_set(&OLD, &new()).unwrap();
    assert_eq!(
        moved,
        Moved::Set(Anchored {
            record: new(),
            oldest_reader: None
        })
    );
    let wish = json!({"expected": spelled(&OLD), "new": spelled(&new())});
    assert_eq!(seen.lock().unwrap()[0].field("set"), wish);
}

#[test]
fn a_conflict_tells_what_is_there() {
    let (anchor, _) = answering("conflict", spelled(&new()));
    let moved = anchor.compare_and_set(&OLD, &OLD).unwrap();
    assert_eq!(
        moved,
        Moved::Conflict(Anchored {
            record: new(),
            oldest_reader: None
        })
    );
}

#[test]
fn what_is_held_is_given_up() {
    let (anchor, seen) = answering("released", spelled(&OLD));
    assert_eq!(anchor.release().unwrap().record, OLD);
    assert_eq!(seen.lock().unwrap()[0].field("release"), json!({}));
}

#[test]
fn the_next_anchor_is_asked_beside_the_present_one() {
    let (anchor, seen) = answering("current", spelled(&OLD));
    assert_eq!(anchor.next().read().unwrap().record, OLD);
    let path = format!("/v1/leases/{}/volumes/records/next", b64u([3; 16]));
    assert_eq!(seen.lock().unwrap()[0].path, path);
}

#[test]
fn a_volume_is_rekeyed_to_the_record_that_was_asked_for_and_to_no_other() {
    let (anchor, seen) = answering("rekeyed", spelled(&new()));
    assert!(matches!(anchor.rekey(&OLD, &new()).unwrap(), Moved::Set(anchored) if anchored.record == new()));
    assert!(matches!(
        anchor.rekey(&OLD, &OLD),
        Err(Error::Malformed("outcome of a rekeying"))
    ));
    assert!(seen.lock().unwrap()[0].path.ends_with("/volumes/records/rekey"));
    assert_eq!(seen.lock().unwrap()[0].field("expected"), spelled(&OLD));
    assert_eq!(seen.lock().unwrap()[0].field("new"), spelled(&new()));
    let (anchor, _) = answering("conflict", spelled(&OLD));
    assert!(matches!(anchor.rekey(&new(), &OLD).unwrap(), Moved::Conflict(anchored) if anchored.record == OLD));
    let (anchor, _) = answering("set", spelled(&new()));
    assert!(matches!(
        anchor.rekey(&OLD, &new()),
        Err(Error::Malformed("outcome of a rekeying"))
    ));
}

#[test]
fn an_answer_to_another_question_is_none() {
    for outcome in ["current", "released"] {
        let (anchor, _) = answering(outcome, spelled(&new()));
        assert!(
            matches!(anchor.compare_and_set(&OLD, &new()), Err(Error::Malformed(_))),
            "{outcome}"
        );
    }
    for outcome in ["set", "conflict"] {
        let (anchor, _) = answering(outcome, spelled(&OLD));
        assert!(matches!(anchor.read(), Err(Error::Malformed(_))), "{outcome}");
        assert!(matches!(anchor.release(), Err(Error::Malformed(_))), "{outcome}");
    }
}

#[test]
fn a_set_of_something_else_is_not_believed() {
    let (anchor, _) = answering("set", spelled(&OLD));
    assert!(matches!(
        anchor.compare_and_set(&OLD, &new()),
        Err(Error::Malformed("outcome of a set"))
    ));
}

#[test]
fn an_answer_to_an_earlier_move_moves_nothing() {
    let recorded = Mutex::new(None::<Answer>);
    let (anchor, _) = anchor(move |custodian, request, _| {
        let mut recorded = recorded.lock().unwrap();
        let answer = json!({"outcome": "set", "record": spelled(&new())});
        recorded
            .get_or_insert_with(|| custodian.answer(request, 200, &answer))
            .clone()
    });
    anchor.compare_and_set(&OLD, &new()).unwrap();
    let error = anchor.compare_and_set(&OLD, &new()).expect_err("replay");
    assert!(matches!(error, Error::NotGenuine { step } if step.contains("does not verify")));
}

#[test]
fn a_lost_reply_is_an_error_and_the_same_move_may_be_asked_again() {
    let (anchor, seen) = anchor(|custodian, request, number| {
        let answer = custodian.answer(request, 200, &json!({"outcome": "set", "record": spelled(&new())}));
        if number == 1 {
            answer.without("signature")
        } else {
            answer
        }
    });
    assert!(matches!(
        anchor.compare_and_set(&OLD, &new()),
        Err(Error::NotGenuine { .. })
    ));
    anchor.compare_and_set(&OLD, &new()).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].field("set"), seen[1].field("set"));
}

#[test]
fn a_volume_that_another_lease_holds_says_how_long() {
    let (anchor, _) = anchor(|custodian, request, _| {
        let mut problem = json!({"type": "https://casemate.dev/problems/volume.held", "title": "t", "status": 409,
                                 "code": "volume.held", "id": "a"});
        problem["wait"] = json!(17);
        custodian.answer(request, 409, &problem)
    });
    let error = anchor.compare_and_set(&OLD, &new()).expect_err("held");
    assert!(matches!(&error, Error::Refused { code, .. } if code == "volume.held"));
    assert_eq!(error.wait(), Some(17));
}

#[test]
fn records_of_another_form_are_refused() {
    for (field, value) in [
        ("volume", json!("AAAA")),
        ("state", json!("open")),
        ("generation", json!(1)),
        ("generation", json!("01")),
        ("root", json!("ab")),
        ("fence", json!("18446744073709551616")),
        ("more", json!(1)),
        ("state", json!("uninitialised")),
    ] {
        let mut record = spelled(&OLD);
        record[field] = value;
        let (anchor, _) = answering("current", record);
        assert!(matches!(anchor.read(), Err(Error::Malformed(_))), "{field}");
    }
}

#[test]
fn names_that_are_no_volumes_ask_nobody() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| own.genuine(request, GENESIS, &configuration()));
    let lease = attest(&custodian, &[server.address()]).unwrap().lease;
    for name in ["", "../renewals", "a/b", "A"] {
        assert!(matches!(lease.anchor(name), Err(Error::Malformed(_))), "{name}");
    }
}

#[test]
fn an_anchor_is_used_on_another_thread_than_the_lease() {
    let (anchor, _) = answering("current", spelled(&OLD));
    let read = std::thread::spawn(move || anchor.read().unwrap()).join().unwrap();
    assert_eq!(read.record, OLD);
}
