//! What a workload gets of its custodian, and how a shield ends that gets nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;

use casemate_testing::{Custodian, Server, b64u};
use launch::{Launch, Outcome, POLICY};
use serde_json::{Value, json};

const SCRIPT: &str = "echo \"$1 $TOKEN\"; busybox stat -c '%a %u:%g' /run/a/key; busybox cat /run/a/key";

fn good() -> Value {
    json!({"casemate_configuration": 1, "holes": {"token": "hunter2"},
           "files": [{"path": "/run/a/key", "content": b64u("key of a\n"), "mode": "0400"}]})
}

/// A workload with two holes and a file of the policy, at a custodian that answers with `configuration`.
fn launch(configuration: Value) -> Launch {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| own.genuine(request, POLICY, &configuration));
    let mut launch = Launch::workload(SCRIPT, &custodian, &[server.address()]);
    launch.manifest["arguments"] = json!(["sh", "{{ hole.port }}"]);
    launch.manifest["environment"]["TOKEN"] = json!("{{ hole.token }}");
    launch.manifest["files"] = json!(["/run/a/key", "/run/b"]);
    launch.manifest["holes"] = json!({"port": {"from": "host", "pattern": "[0-9]+"},
                                      "token": {"from": "policy", "pattern": "[a-z0-9]*"}});
    launch.holes = json!({"port": "6390"});
    launch
}

#[test]
fn holes_and_files_are_filled_from_policy_and_host() {
    let outcome = launch(good())
        .run()
        .ended_with(0, "6390 hunter2\n400 1000:1000\nkey of a\n");
    outcome.says("key of a");
    assert!(!std::path::Path::new("/run/a/key").exists());
}

#[test]
fn without_privileges_the_workload_gets_the_same() {
    let outcome = launch(good()).unprivileged().run();
    if outcome.output.contains("the kernel gives no namespaces") {
        eprintln!("skipped: {}", outcome.output);
        return;
    }
    outcome.ended_with(0, "6390 hunter2\n400 1000:1000\nkey of a\n");
}

#[test]
fn the_policy_says_the_user_where_the_manifest_does_not() {
    let mut configuration = good();
    configuration["user"] = json!({"uid": 7, "gid": 8});
    let mut launch = launch(configuration);
    launch.manifest.as_object_mut().unwrap().remove("user");
    launch.run().ended_with(0, "400 7:8\n");
}

#[test]
fn a_release_that_does_not_fit_the_manifest_is_not_used() {
    let key = |path: &str, mode: &str| json!({"path": path, "content": "", "mode": mode});
    let cases = [
        ("holes", json!({}), "leaves the hole token empty"),
        ("holes", json!({"token": "HUNTER"}), "its pattern refuses"),
        (
            "holes",
            json!({"token": "x", "port": "1"}),
            "for the other side to fill",
        ),
        ("holes", json!({"token": "x", "other": "1"}), "is not in the manifest"),
        ("files", json!([key("/run/c", "0400")]), "file /run/c"),
        ("files", json!([key("/etc/passwd", "0400")]), "file /etc/passwd"),
        (
            "files",
            json!([key("/run/b", "0400"), key("/run/b", "0400")]),
            "file /run/b",
        ),
        ("files", json!([key("/run/b", "4755")]), "a file's mode"),
        ("user", json!({"uid": 0, "gid": 0}), "another user than the manifest's"),
        ("more", json!(1), "configuration"),
    ];
    for (field, value, words) in cases {
        let mut configuration = good();
        configuration[field] = value;
        launch(configuration).run().ended_with(69, words).never_says("hunter2");
    }
}

#[test]
fn a_user_that_the_kernel_takes_for_nobody_is_not_root() {
    for user in [
        json!({"uid": u32::MAX, "gid": 8}),
        json!({"uid": 7, "gid": 1_u32 << 31}),
    ] {
        let mut configuration = good();
        configuration["user"] = user;
        let mut launch = launch(configuration);
        launch.manifest.as_object_mut().unwrap().remove("user");
        launch
            .run()
            .ended_with(69, "a user or group beyond 2^31 - 1")
            .never_says("hunter2");
    }
}

#[test]
fn nobody_to_say_the_user_is_an_error() {
    let mut launch = launch(good());
    launch.manifest.as_object_mut().unwrap().remove("user");
    launch.run().ended_with(69, "neither manifest nor release says whom");
}

#[test]
fn a_value_of_the_host_outside_its_pattern_is_refused() {
    let mut launch = launch(good());
    for (holes, words) in [
        (json!({"port": "80; rm"}), "its pattern refuses"),
        (json!({}), "got no value"),
        (json!({"port": "80", "token": "mine"}), "for the other side"),
    ] {
        launch.holes = holes;
        launch.run().ended_with(64, words).never_says("hunter2");
    }
}

#[test]
fn a_text_that_grows_too_long_is_refused() {
    let mut launch = launch(good());
    let reference = "{{ hole.port }}";
    launch.manifest["arguments"] = json!(["sh", reference.repeat(40)]);
    launch.holes = json!({"port": "1".repeat(4096)});
    launch.run().ended_with(64, "longer than 131,071 bytes");
}

/// A workload at a custodian that is asked by `serve`.
fn served(custodian: &Custodian, address: &str) -> Outcome {
    Launch::workload("echo ran", custodian, &[address.to_owned()])
        .run()
        .never_says("ran\n")
}

#[test]
fn a_signed_refusal_ends_with_67_and_the_decision() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| match request.path.as_str() {
        "/v1/challenges" => own.challenge(request),
        _ => own.problem(request, 403, "policy.denied"),
    });
    let words = format!(
        "policy.denied; who may read the policy asks: casemate why {}",
        "ab".repeat(20)
    );
    served(&custodian, &server.address()).ended_with(67, &words);
}

#[test]
fn a_refusal_that_is_not_signed_ends_with_69() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| own.problem(request, 403, "policy.denied").without("signature"));
    served(&custodian, &server.address()).ended_with(69, "not the custodian that the manifest names");
}

#[test]
fn volumes_go_only_where_the_manifest_has_places() {
    let mut configuration = good();
    configuration["volumes"] = json!([{"path": "/data", "volume": "records", "mode": "write", "freshness": "strict",
                                       "root": "tag", "key": b64u([7; 32])}]);
    launch(configuration)
        .run()
        .ended_with(69, "volumes for other places than the manifest's");
}

#[test]
fn a_place_without_a_volume_ends_with_69() {
    let mut launch = launch(good());
    launch.manifest["volumes"] = json!([{"path": "/data"}]);
    launch.volumes = json!({"/data": "/tmp"});
    launch
        .run()
        .ended_with(69, "volumes for other places than the manifest's");
}

#[test]
fn another_custodian_ends_with_69() {
    let (custodian, other) = (Custodian::new(), Custodian::new());
    let server = Server::answering(move |request| other.genuine(request, POLICY, &good()));
    served(&custodian, &server.address()).ended_with(69, "instance certificate's signature");
}

#[test]
fn silence_ends_with_68() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    served(&Custodian::new(), &format!("http://{address}")).ended_with(68, &address.to_string());
}

#[test]
fn a_workload_in_another_workloads_domain_is_told_so_whatever_the_custodian_says() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let (asked, paths) = channel();
    let server = Server::answering(move |request| {
        asked.send(request.path.clone()).unwrap();
        own.genuine(request, POLICY, &good())
    });
    let mut launch = Launch::workload("echo ran", &custodian, &[server.address()]);
    launch.host_data = Some([7; 32]);
    launch
        .run()
        .ended_with(65, "the platform started this domain for sha256:0707")
        .never_says("ran\n");
    // The report of the other domain went to nobody.
    assert_eq!(paths.try_iter().collect::<Vec<_>>(), ["/v1/challenges"]);
}

#[test]
fn a_genesis_record_of_another_custodian_ends_with_64() {
    let (custodian, other) = (Custodian::new(), Custodian::new());
    let mut launch = Launch::workload("echo ran", &custodian, &["http://127.0.0.1:1".to_owned()]);
    launch.contact.as_mut().unwrap()["genesis"] = json!(b64u(&other.genesis));
    launch.run().ended_with(64, "whose digest the manifest names");
}
