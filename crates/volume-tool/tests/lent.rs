//! A volume that a custodian lent: the program ends before the lease does, whatever it waits for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use casemate_custodian_client::clock;
use casemate_testing::{Answer, Custodian, Request, Server, b64u};
use serde_json::{Value, json};

const HANGS: Duration = Duration::from_secs(60);

/// The last line of a `create` under a lease of 5 seconds, asked for `ago`, at a custodian that answers like this.
fn made(ago: Duration, answer: impl Fn(&Custodian, &Request) -> Answer + Send + 'static) -> Value {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| answer(&own, request));
    let folder = tempfile::tempdir().unwrap();
    let asked = clock::since_boot().checked_sub(ago).unwrap();
    let request = json!({
        "command": "create", "roots": "hash", "capacity": 1 << 24, "log": null,
        "volume": {
            "folder": folder.path(), "key": b64u([1; 32]),
            "lent": {
                "genesis": b64u(&custodian.genesis), "identity": b64u(custodian.identity()),
                "addresses": [server.address()], "signing_seed": b64u([2; 32]), "lease": b64u([3; 16]),
                "seconds": 5, "asked_ms": u64::try_from(asked.as_millis()).unwrap(), "volume": "records",
                "mode": "write", "freshness": "strict", "root": "hash", "interval_ms": null,
            },
        },
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_casemate-volume"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(request.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn is_renewal(request: &Request) -> bool {
    request.path.ends_with("/renewals")
}

#[test]
fn the_end_of_the_lease_is_the_end_whatever_is_waited_for() {
    let said = made(Duration::from_secs(3), |custodian, request| {
        if !is_renewal(request) {
            thread::sleep(HANGS);
        }
        custodian.problem(request, 503, "service.busy")
    });
    assert_eq!(said["error"]["code"], "lease", "{said}");
    assert!(
        said["error"]["message"].as_str().unwrap().contains("the lease ended"),
        "{said}"
    );
}

#[test]
fn a_lease_that_is_over_already_serves_nothing() {
    let said = made(Duration::from_secs(6), |custodian, request| {
        thread::sleep(HANGS);
        custodian.problem(request, 503, "service.busy")
    });
    assert_eq!(said["error"]["code"], "lease", "{said}");
}
