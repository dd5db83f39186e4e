//! Renewals: numbered, repeated when an answer was lost, never granted by anybody but the custodian.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod asked;

use std::sync::{Arc, Mutex};

use asked::{GENESIS, attest, configuration};
use casemate_custodian_client::{Error, Lease};
use casemate_testing::{Answer, Custodian, Request, Server};
use serde_json::json;

type Renewals = Arc<Mutex<Vec<Request>>>;

/// A lease whose renewals are answered like this; and every renewal that arrived.
fn lease(answer: impl Fn(&Custodian, &Request, &[Request]) -> Answer + Send + 'static) -> (Lease, Renewals) {
    let custodian = Arc::new(Custodian::new());
    let (own, seen) = (Arc::clone(&custodian), Renewals::default());
    let arrived = Arc::clone(&seen);
    let server = Server::answering(move |request| {
        if !request.path.ends_with("/renewals") {
            return own.genuine(request, GENESIS, &configuration());
        }
        let mut arrived = arrived.lock().unwrap();
        let answer = answer(&own, request, &arrived);
        arrived.push(request.clone());
        answer
    });
    (attest(&custodian, &[server.address()]).unwrap().lease, seen)
}

fn numbers(renewals: &Renewals) -> Vec<u64> {
    let renewals = renewals.lock().unwrap();
    renewals.iter().map(|r| r.field("sequence").as_u64().unwrap()).collect()
}

#[test]
fn numbers_count_up_and_the_newest_length_is_taken() {
    let (mut lease, seen) = lease(|custodian, request, before| custodian.renewal(request, 60 + before.len() as u64));
    for expected in [60, 61, 62] {
        lease.renew().unwrap();
        assert_eq!(lease.seconds(), expected);
    }
    assert_eq!(numbers(&seen), [1, 2, 3]);
    assert_eq!(
        seen.lock().unwrap()[0].path,
        format!("/v1/leases/{}/renewals", casemate_testing::b64u([3; 16]))
    );
}

#[test]
fn a_number_whose_answer_was_lost_or_spoiled_is_sent_again() {
    let (mut lease, seen) = lease(|custodian, request, before| match before.len() {
        0 => custodian.renewal(request, 60).without("signature"),
        1 => custodian.problem(request, 503, "service.busy"),
        _ => custodian.renewal(request, 60),
    });
    assert!(matches!(lease.renew(), Err(Error::NotGenuine { .. })));
    assert!(matches!(lease.renew(), Err(Error::Unreachable(_))));
    assert_eq!(lease.seconds(), 300);
    lease.renew().unwrap();
    lease.renew().unwrap();
    assert_eq!(numbers(&seen), [1, 1, 1, 2]);
}

#[test]
fn an_answer_to_an_earlier_renewal_renews_nothing() {
    let recorded = Mutex::new(None::<Answer>);
    let (mut lease, seen) = lease(move |custodian, request, _| {
        let mut recorded = recorded.lock().unwrap();
        recorded.get_or_insert_with(|| custodian.renewal(request, 60)).clone()
    });
    lease.renew().unwrap();
    let error = lease.renew().expect_err("replay");
    assert!(matches!(error, Error::NotGenuine { step } if step.contains("does not verify")));
    assert_eq!(numbers(&seen), [1, 2]);
}

#[test]
fn a_grant_for_another_number_or_without_end_renews_nothing() {
    for body in [
        json!({"sequence": 2, "seconds": 60}),
        json!({"sequence": 1, "seconds": 0}),
        json!({"sequence": 1, "seconds": 86_401}),
        json!({"sequence": 1, "seconds": 60, "more": 1}),
    ] {
        let (mut lease, seen) = lease(move |custodian, request, _| custodian.answer(request, 200, &body));
        for _ in 0..2 {
            assert!(matches!(lease.renew(), Err(Error::Malformed(_))));
        }
        assert_eq!((lease.seconds(), numbers(&seen)), (300, vec![1, 1]));
    }
}

#[test]
fn a_revoked_lease_is_a_refusal() {
    let (mut lease, _) = lease(|custodian, request, _| custodian.problem(request, 403, "lease.revoked"));
    assert!(matches!(lease.renew(), Err(Error::Refused { code, .. }) if code == "lease.revoked"));
}

#[test]
fn renewals_are_signed_with_the_attested_key() {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let custodian = Arc::new(Custodian::new());
    let (own, seen) = (Arc::clone(&custodian), Arc::clone(&keys));
    let server = Server::answering(move |request| {
        let input = request.header("signature-input").to_owned();
        let keyid = input
            .split("keyid=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        seen.lock()
            .unwrap()
            .push((request.path.clone(), keyid, request.field("signing_key")));
        own.genuine(request, GENESIS, &configuration())
    });
    let mut lease = attest(&custodian, &[server.address()]).unwrap().lease;
    lease.renew().unwrap();
    let keys = keys.lock().unwrap();
    let attested = keys
        .iter()
        .find(|(path, ..)| path == "/v1/attestations")
        .unwrap()
        .2
        .clone();
    assert!(keys.iter().all(|(_, keyid, _)| json!(keyid) == attested), "{keys:?}");
}
