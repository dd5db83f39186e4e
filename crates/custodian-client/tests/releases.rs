//! A genuine custodian's answer still must be for this attestation, and of the documented form.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod asked;

use std::sync::Arc;

use asked::{GENESIS, assert_not_genuine, attest, attest_with, configuration};
use casemate_custodian_client::Error;
use casemate_testing::{Answer, Custodian, Release, Request, Server, b64u, from_b64u};
use serde_json::{Value, json};

/// What comes of attesting to a custodian that answers attestations like this.
fn answered(
    answer: impl Fn(&Custodian, &Request) -> Answer + Send + 'static,
) -> Result<casemate_custodian_client::Release, Error> {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| match request.path.as_str() {
        "/v1/challenges" => own.challenge(request),
        _ => answer(&own, request),
    });
    attest(&custodian, &[server.address()])
}

fn released(change: fn(&mut Release)) -> Result<casemate_custodian_client::Release, Error> {
    answered(move |custodian, request| {
        let mut release = custodian.release(request, GENESIS, &configuration());
        change(&mut release);
        custodian.released(request, &release)
    })
}

/// The release as JSON, changed, signed.
fn worded(change: fn(&mut Value)) -> Result<casemate_custodian_client::Release, Error> {
    answered(move |custodian, request| {
        let mut body = custodian.release(request, GENESIS, &configuration()).to_json();
        change(&mut body);
        custodian.answer(request, 200, &body)
    })
}

#[test]
fn a_configuration_sealed_for_anything_else_is_not_opened() {
    let not_for_us = "was not sealed for this attestation";
    type Change = fn(&mut Release);
    let cases: [(&str, Change, &str); 6] = [
        ("another nonce", |r| r.nonce[0] ^= 1, not_for_us),
        ("another custodian", |r| r.custodian[0] ^= 1, not_for_us),
        ("another manifest", |r| r.manifest[0] ^= 1, not_for_us),
        ("another signing key", |r| r.signing_key[0] ^= 1, not_for_us),
        (
            "another domain's HPKE key",
            |r| r.hpke_key = [9; 32].to_vec(),
            not_for_us,
        ),
        ("another policy", |r| r.genesis[0] ^= 1, "of another policy"),
    ];
    for (what, change, words) in cases {
        assert_not_genuine(released(change), words, what);
    }
}

#[test]
fn release_statements_are_sent_as_they_came_and_only_if_there_are_some() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let (sent, seen) = std::sync::mpsc::channel();
    let server = Server::answering(move |request| {
        if request.path == "/v1/attestations" {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            sent.send(body.get("statements").cloned()).unwrap();
        }
        own.genuine(request, GENESIS, &configuration())
    });
    attest(&custodian, &[server.address()]).unwrap();
    attest_with(&custodian, &[server.address()], &[b"one".to_vec(), Vec::new()]).unwrap();
    assert_eq!(seen.recv().unwrap(), None);
    assert_eq!(seen.recv().unwrap(), Some(json!([b64u(b"one"), ""])));
}

#[test]
fn a_version_of_the_policy_that_was_swapped_in_clear_does_not_open() {
    let outcome = worded(|body| body["policy"]["version"] = json!(format!("sha256:{}", "0".repeat(64))));
    assert_not_genuine(outcome, "was not sealed", "another version");
}

#[test]
fn a_ciphertext_that_was_cut_does_not_open() {
    for kept in [0, 31, 32, 47, 60] {
        let outcome = answered(move |custodian, request| {
            let mut body = custodian.release(request, GENESIS, &configuration()).to_json();
            let sealed = from_b64u(body["configuration"].as_str().unwrap());
            body["configuration"] = json!(b64u(&sealed[..kept]));
            custodian.answer(request, 200, &body)
        });
        assert_not_genuine(outcome, "was not sealed", "cut");
    }
}

#[test]
fn an_answer_outside_its_form_is_not_understood() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 9] = [
        ("unknown field", |body| body["more"] = json!(1)),
        ("no configuration", |body| {
            drop(body.as_object_mut().unwrap().remove("configuration"))
        }),
        ("configuration in another encoding", |body| {
            body["configuration"] = json!("a+b/")
        }),
        ("a lease that leads elsewhere", |body| {
            body["lease"]["id"] = json!("../../v1/policies")
        }),
        ("a lease id of another length", |body| {
            body["lease"]["id"] = json!("AAAA")
        }),
        ("a lease without end", |body| body["lease"]["seconds"] = json!(86_401)),
        ("a lease that ended", |body| body["lease"]["seconds"] = json!(0)),
        ("a lease before its start", |body| body["lease"]["seconds"] = json!(-1)),
        ("a version of another form", |body| {
            body["policy"]["version"] = json!("1")
        }),
    ];
    for (what, change) in cases {
        let outcome = worded(change);
        assert!(matches!(outcome, Err(Error::Malformed(_))), "{what}: {outcome:?}");
    }
}

#[test]
fn a_configuration_outside_its_form_is_not_understood() {
    for configuration in [
        "",
        "[]",
        r#"{"casemate_configuration":1,"holes":{},"files":[],"more":1}"#,
    ] {
        let outcome = answered(move |custodian, request| {
            let mut release = custodian.release(request, GENESIS, &Value::Null);
            release.configuration = configuration.as_bytes().to_vec();
            custodian.released(request, &release)
        });
        assert!(matches!(outcome, Err(Error::Malformed("configuration"))), "{outcome:?}");
    }
}

#[test]
fn a_nonce_of_another_length_is_not_understood() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server =
        Server::answering(move |request| own.answer(request, 200, &json!({"nonce": "AAAA", "expires_in": 60})));
    let outcome = attest(&custodian, &[server.address()]);
    assert!(matches!(outcome, Err(Error::Malformed("nonce"))), "{outcome:?}");
}
