//! Only the custodian can refuse; everybody else can only be silent or be caught posing as it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod asked;

use std::net::TcpListener;
use std::sync::Arc;

use asked::{GENESIS, assert_not_genuine, attest, configuration, spoiled};
use casemate_custodian_client::Error;
use casemate_testing::{Answer, Custodian, Server};
use serde_json::json;

/// An address where nobody listens.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn genuine(custodian: &Arc<Custodian>) -> Server {
    let own = Arc::clone(custodian);
    Server::answering(move |request| own.genuine(request, GENESIS, &configuration()))
}

fn refusing(status: u16, body: serde_json::Value) -> Error {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| own.answer(request, status, &body));
    attest(&custodian, &[server.address()]).expect_err("refused")
}

#[test]
fn a_signed_refusal_is_one_and_says_why_in_one_line() {
    let problem = json!({"type": "https://casemate.dev/problems/policy.denied", "title": "denied", "status": 403,
                         "code": "policy.denied", "id": "ab".repeat(20), "step": "runtime", "got": "sha384:00\u{1b}[2J\n"});
    let error = refusing(403, problem);
    assert!(error.is_refusal());
    let shown = error.to_string();
    assert!(
        shown.contains("policy.denied at runtime (got sha384:00 [2J )"),
        "{shown}"
    );
    assert!(shown.contains(&format!("casemate why {}", "ab".repeat(20))), "{shown}");
}

#[test]
fn a_refusal_without_the_custodians_signature_is_a_lie() {
    let outcome = spoiled(Custodian::new(), |_, answer| {
        Answer { status: 403, ..answer }.without("signature")
    });
    assert_not_genuine(outcome, "documented form", "unsigned");
    let (custodian, other) = (Custodian::new(), Custodian::new());
    let server = Server::answering(move |request| other.problem(request, 403, "policy.denied"));
    assert_not_genuine(
        attest(&custodian, &[server.address()]),
        "certificate's signature",
        "another custodian's",
    );
}

#[test]
fn a_custodian_that_is_busy_or_failing_did_not_refuse() {
    for status in [429, 500, 503] {
        let problem = json!({"type": "t", "title": "t", "status": status, "code": "service.busy", "id": "ab"});
        let error = refusing(status, problem);
        assert!(
            matches!(&error, Error::Unreachable(why) if why.contains("service.busy")),
            "{error:?}"
        );
    }
}

#[test]
fn a_signed_answer_that_is_no_problem_document_is_not_understood() {
    assert!(matches!(
        refusing(403, json!({"detail": "no"})),
        Error::Malformed("problem document")
    ));
    assert!(matches!(refusing(302, json!([])), Error::Malformed("problem document")));
}

#[test]
fn the_first_address_that_proves_to_be_the_custodian_counts() {
    let custodian = Arc::new(Custodian::new());
    let impostor = Arc::new(Custodian::new());
    let noise = Server::sending(|_| b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n".to_vec());
    let addresses = [
        silent(),
        noise.address(),
        genuine(&impostor).address(),
        genuine(&custodian).address(),
    ];
    attest(&custodian, &addresses).unwrap();
}

#[test]
fn silence_everywhere_names_every_address() {
    let addresses = [silent(), silent()];
    let error = attest(&Custodian::new(), &addresses).expect_err("silence");
    assert!(matches!(error, Error::Unreachable(_)));
    let shown = error.to_string();
    assert!(addresses.iter().all(|address| shown.contains(address)), "{shown}");
}

#[test]
fn an_impostor_among_silent_addresses_is_named_as_one() {
    let impostor = Arc::new(Custodian::new());
    let addresses = [silent(), genuine(&impostor).address(), silent()];
    assert_not_genuine(
        attest(&Custodian::new(), &addresses),
        "certificate's signature",
        "impostor",
    );
}
