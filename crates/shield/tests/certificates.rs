//! TLS certificates over evidence that a workload finds (spec/ra-tls.md). Needs root and busybox; images need FUSE.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::sync::Arc;

use casemate_testing::{Custodian, Server};
use launch::layers::Layers;
use launch::{Launch, POLICY};
use serde_json::{Value, json};

const SHOW: &str = "cd /run/tls; busybox stat -c '%n %a %u:%g' key.pem certificate.pem; busybox grep -h BEGIN *.pem; \
                    busybox touch more 2>&1; busybox grep -c . key.pem";
const SHOWN: &str = "key.pem 400 1000:1000\ncertificate.pem 444 0:0\n-----BEGIN CERTIFICATE-----\n\
                     -----BEGIN PRIVATE KEY-----\n";

fn configuration() -> Value {
    json!({"casemate_configuration": 1, "holes": {}, "files": []})
}

fn place(lifetime: u64) -> Value {
    json!({"path": "/run/tls", "lifetime": lifetime})
}

fn launch(script: &str) -> Launch {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| own.genuine(request, POLICY, &configuration()));
    let mut launch = Launch::workload(script, &custodian, &[server.address()]);
    launch.manifest["ra_tls"] = place(3600);
    launch
}

#[test]
fn the_workload_finds_a_key_of_its_own_and_a_certificate_where_the_manifest_says() {
    let outcome = launch(SHOW).run().ended_with(0, SHOWN);
    outcome.says("touch: more: Permission denied\n");
}

#[test]
fn without_privileges_it_finds_the_same() {
    let launch = launch("busybox cat /run/tls/*.pem | busybox grep BEGIN");
    let outcome = launch.unprivileged().run();
    if outcome.output.contains("the kernel gives no namespaces") {
        eprintln!("skipped: {}", outcome.output);
        return;
    }
    outcome.ended_with(0, "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n");
}

#[test]
fn a_workload_of_an_image_finds_the_same_and_can_still_write_to_its_root() {
    let layers = Layers::encrypted().with_busybox();
    let mut launch = layers.launch(SHOW);
    launch.manifest["ra_tls"] = place(3600);
    launch
        .run()
        .ended_with(0, SHOWN)
        .says("touch: more: Permission denied\n");
}

#[test]
fn a_workload_that_asks_for_none_gets_none() {
    let mut launch = launch("busybox ls /run/tls 2>&1");
    launch.manifest.as_object_mut().unwrap().remove("ra_tls");
    launch.run().ended_with(1, "No such file or directory");
}

#[test]
fn two_starts_have_two_keys() {
    let keys: Vec<String> = (0..2)
        .map(|_| {
            launch("busybox sha256sum /run/tls/key.pem")
                .run()
                .ended_with(0, "")
                .output
        })
        .collect();
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn a_program_on_it_cannot_be_executed_even_by_user_0() {
    let script = "echo '#!/bin/sh' > /run/tls/x && busybox chmod 755 /run/tls/x && /run/tls/x";
    launch(script)
        .with_uid_0()
        .run()
        .ended_with(126, "/run/tls/x: Permission denied");
}

#[test]
fn a_new_certificate_comes_in_time_and_the_workload_is_told() {
    let script = "busybox sha256sum /run/tls/*.pem > /tmp/before; \
                  trap 'busybox sha256sum /run/tls/*.pem > /tmp/after; busybox diff /tmp/before /tmp/after; exit 7' USR1; \
                  n=0; while [ $n -lt 600 ]; do busybox sleep 0.1; n=$((n+1)); done";
    let mut launch = launch(script);
    launch.manifest["ra_tls"] = json!({"path": "/run/tls", "lifetime": 60, "reload": "usr1"});
    let outcome = launch.run().ended_with(7, "");
    let changed = |sign| {
        outcome
            .output
            .lines()
            .filter(move |line| line.starts_with(sign) && line.ends_with(".pem"))
    };
    assert!(
        changed('-')
            .chain(changed('+'))
            .all(|line| line.ends_with("/certificate.pem"))
    );
    assert_eq!(
        (changed('-').count(), changed('+').count()),
        (1, 1),
        "{}",
        outcome.output
    );
}

#[test]
fn where_the_platform_gives_no_more_evidence_the_workload_does_not_start() {
    let mut launch = launch("echo ran");
    launch.reports = 1;
    let outcome = launch.run().ended_with(66, "no evidence for a certificate");
    outcome.never_says("ran\n");
}
