//! The shield on a machine with a TPM (swtpm): what it binds, sends, keeps from the workload, and refuses.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::sync::{Arc, Mutex};

use casemate_evidence::tpm::{Key, TpmPlatform, manifest_pcr};
use casemate_testing::{Custodian, Server, SoftwareTpm, from_b64u};
use launch::{Launch, POLICY};
use serde_json::{Value, json};

type Asked = Arc<Mutex<Vec<Value>>>;

/// A workload on the machine with this TPM, and what its custodian is asked.
fn launch(tpm: &SoftwareTpm, script: &str) -> (Launch, Asked) {
    let (custodian, asked) = (Arc::new(Custodian::new()), Asked::default());
    let (own, log) = (Arc::clone(&custodian), Arc::clone(&asked));
    let server = Server::answering(move |request| {
        if let Ok(body) = serde_json::from_slice(&request.body) {
            log.lock().unwrap().push(body);
        }
        let configuration = json!({"casemate_configuration": 1, "holes": {}, "files": []});
        own.genuine(request, POLICY, &configuration)
    });
    let mut launch = Launch::workload(script, &custodian, &[server.address()]);
    launch.arguments = ["--tpm", tpm.socket().to_str().unwrap()].map(String::from).to_vec();
    // No platform launched it.
    launch.runner = ["sh", "-c", r#"exec "$@" 3<&-"#, "sh"].map(String::from).to_vec();
    (launch, asked)
}

#[test]
fn a_workload_runs_with_its_manifest_bound_to_the_machine() {
    let tpm = SoftwareTpm::start();
    let script = "echo ran; busybox ls /dev /proc/self/fd; [ -e /dev/tpm0 ] || [ -e /dev/tpmrm0 ] || echo without";
    let (launch, asked) = launch(&tpm, script);
    launch.run().ended_with(0, "ran").says("platform tpm").says("without");
    let asked = asked.lock().unwrap();
    let sent = asked.iter().find(|body| body["evidence"].is_object()).unwrap();
    assert_eq!(sent["evidence"]["format"], "tpm-quote");
    let report = from_b64u(sent["evidence"]["report"].as_str().unwrap());
    assert!(report.ends_with(&manifest_pcr(&launch.digest())));
}

#[test]
fn a_second_start_needs_a_machine_that_was_started_anew() {
    let tpm = SoftwareTpm::start();
    let (first, _) = launch(&tpm, "echo ran");
    first.run().ended_with(0, "ran");
    for script in ["echo ran", "echo another"] {
        let (second, asked) = launch(&tpm, script);
        let ended = second.run().ended_with(65, "PCR 15 was extended before");
        ended.never_says("ran\n").never_says("another");
        assert!(asked.lock().unwrap().is_empty(), "nobody is asked");
    }
}

#[test]
fn a_register_that_somebody_extended_takes_no_manifest() {
    let tpm = SoftwareTpm::start();
    let mut other = TpmPlatform::open(&tpm.socket(), Key::Usual).unwrap();
    other.bind(&[7; 32]).unwrap();
    drop(other);
    let (launch, _) = launch(&tpm, "echo ran");
    launch.run().ended_with(65, "restart the machine").never_says("ran\n");
}

#[test]
fn a_machine_without_a_tpm_is_told() {
    let tpm = SoftwareTpm::start();
    let (mut launch, _) = launch(&tpm, "echo ran");
    launch.arguments[1] = "/none".to_owned();
    launch
        .run()
        .ended_with(66, "the TPM cannot be used: /none: No such file");
}

#[test]
fn a_custodian_does_not_start_without_sealing_keys() {
    let tpm = SoftwareTpm::start();
    let mut launch = Launch::shell("echo ran");
    launch.arguments = ["--tpm", tpm.socket().to_str().unwrap()].map(String::from).to_vec();
    launch
        .run()
        .ended_with(66, "seal a custodian's store")
        .never_says("ran\n");
}

#[test]
fn what_comes_behind_the_tpm_is_dropped_and_said() {
    let tpm = SoftwareTpm::start();
    let (mut launch, _) = launch(&tpm, "echo ran");
    launch.arguments.push("--more".to_owned());
    launch.run().ended_with(0, "dropped 1 offered arguments");
}
