//! Whoever answers is the attacker: nothing that the pinned custodian did not sign, for this request, is believed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod asked;

use std::sync::{Arc, Mutex};

use asked::{GENESIS, assert_not_genuine, attest, configuration, spoiled};
use casemate_testing::{Answer, Certificate, Custodian, Request, Server, Signer, time_text};
use serde_json::json;

type Spoil = fn(&Request, Answer) -> Answer;

#[test]
fn a_genuine_release_is_opened() {
    let release = spoiled(Custodian::new(), |_, answer| answer).unwrap();
    assert_eq!(release.configuration.holes["token"].as_str(), "hunter2");
    assert_eq!(release.lease.seconds(), 300);
}

#[test]
fn an_answer_in_chunks_is_judged_like_any_other() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::sending(move |request| {
        let answer = own.genuine(request, GENESIS, &configuration());
        let (one, two) = answer.body.split_at(10);
        let text = |part: &[u8]| format!("{:x}\r\n{}\r\n", part.len(), String::from_utf8_lossy(part));
        let chunks = [text(one), text(two), "0\r\n\r\n".to_owned()].concat();
        format!("{}transfer-encoding: chunked\r\n\r\n{chunks}", answer.head()).into_bytes()
    });
    attest(&custodian, &[server.address()]).unwrap();
}

#[test]
fn an_answer_that_was_changed_on_the_way_is_not_believed() {
    let cases: [(&str, Spoil, &str); 13] = [
        (
            "another status",
            |_, a| Answer { status: 201, ..a },
            "signature does not verify",
        ),
        (
            "a refusal made of it",
            |_, a| Answer { status: 403, ..a },
            "signature does not verify",
        ),
        (
            "another body",
            |_, a| Answer {
                body: b"{}".to_vec(),
                ..a
            },
            "body is not what was signed",
        ),
        (
            "a longer body",
            |_, mut a| {
                a.body.push(b' ');
                a
            },
            "body is not what was signed",
        ),
        (
            "another digest",
            |_, mut a| {
                *a.header("content-digest") = "sha-256=:AA==:".into();
                a
            },
            "signature does not verify",
        ),
        (
            "no digest",
            |_, a| a.without("content-digest"),
            "signature does not verify",
        ),
        ("no signature", |_, a| a.without("signature"), "documented form"),
        ("no parameters", |_, a| a.without("signature-input"), "documented form"),
        (
            "no certificate",
            |_, a| a.without("casemate-instance"),
            "certificate's form",
        ),
        (
            "a signature twice",
            |_, mut a| {
                a.headers.push(a.headers[4].clone());
                a
            },
            "documented form",
        ),
        (
            "a certificate twice",
            |_, mut a| {
                a.headers.push(a.headers[2].clone());
                a
            },
            "certificate's form",
        ),
        (
            "another signature",
            |_, mut a| {
                *a.header("signature") = format!("casemate=:{}AA==:", "A".repeat(84));
                a
            },
            "does not verify",
        ),
        (
            "a short signature",
            |_, mut a| {
                *a.header("signature") = "casemate=:AAAA:".into();
                a
            },
            "documented form",
        ),
    ];
    for (what, spoil, words) in cases {
        assert_not_genuine(spoiled(Custodian::new(), spoil), words, what);
    }
}

#[test]
fn parameters_have_one_spelling() {
    let changes = [
        ("casemate=(", "other=("),
        ("\"@status\" ", ""),
        (" \"signature\";req;key=\"casemate\"", ""),
        (";created=", ";created=-"),
        (";created=", ";created=9999999999999"),
        (";alg=\"ed25519\"", ""),
        ("casemate-response-v1", "casemate-request-v1"),
        ("ed25519:", "x25519:"),
        (";tag=", ";expires=9;tag="),
    ];
    for (old, new) in changes {
        let outcome = spoiled(Custodian::new(), move |_, mut answer| {
            let changed = answer.header("signature-input").replacen(old, new, 1);
            *answer.header("signature-input") = changed;
            answer
        });
        assert_not_genuine(outcome, "documented form", new);
    }
}

#[test]
fn an_answer_to_another_request_is_not_believed() {
    let custodian = Arc::new(Custodian::new());
    let (own, recorded) = (Arc::clone(&custodian), Mutex::new(None::<Answer>));
    let server = Server::answering(move |request| {
        let mut recorded = recorded.lock().unwrap();
        recorded.get_or_insert_with(|| own.challenge(request)).clone()
    });
    // The first answer is genuine, so the first shield gets as far as its attestation; the second hears a replay at once.
    assert_not_genuine(
        attest(&custodian, &[server.address()]),
        "does not verify",
        "replay to the same shield",
    );
    assert_not_genuine(
        attest(&custodian, &[server.address()]),
        "does not verify",
        "replay to another shield",
    );
}

#[test]
fn a_certificate_counts_for_this_custodian_this_day_and_this_key_only() {
    type Change = fn(&mut Certificate);
    let cases: [(&str, Change, &str); 12] = [
        (
            "ended",
            |c| c.payload["not_after"] = json!("2020-01-01T00:00:00Z"),
            "not valid now",
        ),
        (
            "not begun",
            |c| c.payload["not_before"] = json!("2099-01-01T00:00:00Z"),
            "not valid now",
        ),
        (
            "longer than a day",
            |c| c.payload["not_after"] = json!("2099-01-01T00:00:00Z"),
            "not valid now",
        ),
        (
            "a time of another form",
            |c| c.payload["not_after"] = json!("tomorrow"),
            "certificate's form",
        ),
        (
            "another custodian",
            |c| c.payload["custodian"] = json!(format!("sha256:{}", "0".repeat(64))),
            "another custodian's",
        ),
        (
            "another format",
            |c| c.payload["casemate_instance"] = json!(2),
            "certificate's form",
        ),
        (
            "another key",
            |c| c.payload["key"] = json!(Signer::new().text()),
            "documented form",
        ),
        (
            "a key of another kind",
            |c| c.payload["key"] = c.payload["sealing_key"].clone(),
            "certificate's form",
        ),
        (
            "an unknown field",
            |c| c.payload["more"] = json!(1),
            "certificate's form",
        ),
        (
            "another type of envelope",
            |c| c.payload_type.push('x'),
            "certificate's signature",
        ),
        ("no signature", |c| c.signatures = 0, "certificate's form"),
        ("two signatures", |c| c.signatures = 2, "certificate's signature"),
    ];
    for (what, change, words) in cases {
        let mut custodian = Custodian::new();
        change(&mut custodian.certificate);
        assert_not_genuine(spoiled(custodian, |_, answer| answer), words, what);
    }
}

#[test]
fn a_certificate_that_lives_a_day_is_good_and_one_second_more_is_not() {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let begin = i64::try_from(now.as_secs()).unwrap() - 3600;
    for (life, good) in [(86_400, true), (86_401, false)] {
        let mut custodian = Custodian::new();
        custodian.certificate.payload["not_before"] = json!(time_text(begin));
        custodian.certificate.payload["not_after"] = json!(time_text(begin + life));
        assert_eq!(spoiled(custodian, |_, answer| answer).is_ok(), good, "{life}");
    }
}

#[test]
fn another_custodian_that_copies_everything_but_the_key_is_not_believed() {
    let mut impostor = Custodian::new();
    impostor.identity_key = Signer::new();
    assert_not_genuine(
        spoiled(impostor, |_, answer| answer),
        "certificate's signature",
        "another identity key",
    );
    let mut impostor = Custodian::new();
    impostor.instance = Signer::new();
    assert_not_genuine(
        spoiled(impostor, |_, answer| answer),
        "documented form",
        "another instance key",
    );
}

#[test]
fn a_certificate_that_claims_the_custodians_key_must_be_signed_with_it() {
    let mut impostor = Custodian::new();
    impostor.certificate.claimed_key = Some(impostor.identity_key.text());
    impostor.identity_key = Signer::new();
    assert_not_genuine(
        spoiled(impostor, |_, answer| answer),
        "certificate's signature",
        "the right name, another key",
    );
    let mut custodian = Custodian::new();
    custodian.certificate.claimed_key = Some(Signer::new().text());
    assert_not_genuine(
        spoiled(custodian, |_, answer| answer),
        "certificate's signature",
        "the right key, another name",
    );
}

#[test]
fn a_certificate_is_of_its_type_and_of_usual_length() {
    let mut custodian = Custodian::new();
    custodian.certificate.claimed_type = Some("application/vnd.casemate.restore.v1+json".to_owned());
    assert_not_genuine(
        spoiled(custodian, |_, answer| answer),
        "certificate's signature",
        "another type",
    );
    for (spaces, good) in [(1000, true), (8192, false)] {
        let mut custodian = Custodian::new();
        custodian.certificate.spaces = spaces;
        assert_eq!(spoiled(custodian, |_, answer| answer).is_ok(), good, "{spaces}");
    }
}

#[test]
fn a_genesis_record_of_another_custodian_is_refused_before_anything_is_sent() {
    let (custodian, other) = (Custodian::new(), Custodian::new());
    let addresses = ["http://127.0.0.1:1".to_owned()];
    let pinned = casemate_custodian_client::Custodian::pinned(&other.genesis, &custodian.identity(), &addresses);
    assert!(matches!(pinned, Err(casemate_custodian_client::Error::NotGenuine { step }) if step.contains("genesis")));
}

#[test]
fn a_body_that_ends_early_is_no_answer() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::sending(move |request| {
        let mut bytes = own.challenge(request).to_bytes();
        bytes.truncate(bytes.len() - 1);
        bytes
    });
    let outcome = attest(&custodian, &[server.address()]);
    assert!(
        matches!(outcome, Err(casemate_custodian_client::Error::Unreachable(_))),
        "{outcome:?}"
    );
}
