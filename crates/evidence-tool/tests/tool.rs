//! The program as it is started: one request in, one line out.

use std::io::Write;
use std::process::{Command, Stdio};

use casemate_testing::SoftwareTpm;
use serde_json::{Value, json};

/// What it says to a request, and whether it ended well. Nobody gives it a descriptor 3.
fn ask(request: &str) -> (bool, Value) {
    let mut child = Command::new("/bin/sh")
        .args(["-c", r#"exec "$0" 3<&-"#, env!("CARGO_BIN_EXE_casemate-evidence")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(request.as_bytes()).expect("written");
    drop(input);
    let done = child.wait_with_output().expect("ended");
    (
        done.status.success(),
        serde_json::from_slice(&done.stdout).expect("one line"),
    )
}

fn collect(platform: &str, tpm: &Value) -> String {
    let request = json!({"command": "collect", "platform": platform, "report_data": "07".repeat(64), "tpm": tpm,
                         "key": null, "log": true});
    request.to_string()
}

#[test]
fn evidence_is_one_line() {
    let tpm = SoftwareTpm::start();
    let (good, said) = ask(&collect("tpm", &json!(tpm.socket())));
    assert!(good, "{said}");
    assert_eq!(said["result"]["evidence"]["format"], "tpm-quote");
}

#[test]
fn a_simulated_platform_that_did_not_start_it_gives_nothing() {
    let (good, said) = ask(&collect("simulated", &json!(null)));
    assert!(!good);
    assert_eq!(said["error"]["code"], "absent");
}

#[test]
fn what_is_no_request_is_refused() {
    for wrong in ["", "{}", "[]", r#"{"command":"bind"}"#] {
        let (good, said) = ask(wrong);
        assert!(!good);
        assert_eq!(said["error"]["code"], "usage", "{wrong}");
    }
}
