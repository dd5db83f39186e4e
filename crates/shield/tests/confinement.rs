//! The shield from start to end, with busybox as workload. Needs root, or user namespaces for some.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::time::{Duration, Instant};

use launch::Launch;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

#[test]
fn the_workload_runs_as_its_user_without_capabilities() {
    let script = "busybox id; busybox grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status";
    let outcome = Launch::shell(script).run().ended_with(0, "uid=1000 gid=1000");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(
            outcome.output.contains(&format!("{set}:\t0000000000000000")),
            "{}",
            outcome.output
        );
    }
    assert!(
        outcome.output.contains("NoNewPrivs:\t1") && outcome.output.contains("Seccomp:\t2"),
        "{}",
        outcome.output
    );
}

#[test]
fn the_root_holds_what_the_manifest_names_and_cannot_be_changed() {
    let script = "busybox ls /; busybox touch /bin/x; busybox touch /x; echo ok > /tmp/x && busybox cat /tmp/x";
    let outcome = Launch::shell(script).run().ended_with(0, "bin\ndev\nproc\ntmp\n");
    assert_eq!(
        outcome.output.matches("Read-only file system").count(),
        2,
        "{}",
        outcome.output
    );
    assert!(outcome.output.ends_with("ok\n"), "{}", outcome.output);
}

#[test]
fn writable_memory_is_limited_to_its_size() {
    let script = "busybox dd if=/dev/zero of=/tmp/x bs=4096 count=17";
    Launch::shell(script).run().ended_with(1, "No space left on device");
}

#[test]
fn dev_is_minimal_and_works() {
    let script =
        "busybox ls /dev; echo x > /dev/null; busybox head -c 4 /dev/urandom | busybox wc -c; echo y > /dev/shm/y";
    Launch::shell(script).run().ended_with(
        0,
        "fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n4\n",
    );
}

#[test]
fn only_the_standard_descriptors_and_the_platform_channel_stay_open() {
    let script =
        "for n in 3 4 5 6 7 8 9 10 251; do [ -e /proc/$$/fd/$n ] && echo open $n; done; echo $CASEMATE_PLATFORM_FD";
    Launch::shell(script).run().ended_with(0, "open 3\n3\n");
}

#[test]
fn a_custodian_gets_its_sealing_key_and_evidence_over_the_platform_channel() {
    let evidence = json!({"op": "evidence", "nonce": "A".repeat(43), "custodian": format!("sha256:{}", "0".repeat(64)),
        "signing_key": format!("ed25519:{}", "A".repeat(43)), "hpke_key": format!("x25519:{}", "A".repeat(43))});
    let evidence = evidence.to_string();
    let script = format!(
        r#"ask() {{ busybox printf "$1" >&3; busybox printf '%s' "$2" >&3; busybox dd bs=65536 count=1 <&3 2>/dev/null | busybox tail -c +5; echo; }}
        ask '\0\0\0\024' '{{"op":"sealing_key"}}'
        ask '\0\0\0\017' '{{"op":"report"}}'
        ask '\0\0\{:03o}\{:03o}' '{evidence}'"#,
        evidence.len() / 256,
        evidence.len() % 256,
    );
    let outcome = Launch::shell(&script).run().ended_with(0, r#"{"key":""#);
    assert!(outcome.output.contains("malformed request"), "{}", outcome.output);
    assert!(
        outcome
            .output
            .contains(r#"{"endorsements":{"certificates":"","crls":[]},"evidence""#),
        "{}",
        outcome.output
    );
}

#[test]
fn nothing_of_the_hosts_environment_arrives_and_its_names_are_logged() {
    let mut launch = Launch::shell("busybox env");
    launch.environment.push(("OFFERED_TOKEN".into(), "hunter2".into()));
    let outcome = launch.run().ended_with(0, "dropped");
    assert!(
        outcome.output.contains("OFFERED_TOKEN") && !outcome.output.contains("hunter2"),
        "{}",
        outcome.output
    );
}

#[test]
fn a_changed_file_is_refused_before_anything_runs() {
    let mut launch = Launch::shell("echo ran");
    let mut content = std::fs::read(launch::BUSYBOX).unwrap();
    content[4000] ^= 1;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    launch.sources = json!({"/bin/busybox": file.path()});
    let outcome = launch.run().ended_with(
        65,
        "/bin/busybox is not the measured file: its content has another digest",
    );
    assert!(!outcome.output.contains("ran"));
}

#[test]
fn a_pipe_or_a_file_of_another_size_in_place_of_a_measured_file_is_refused_at_once() {
    let mut launch = Launch::shell("echo ran");
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    launch.sources = json!({"/bin/busybox": pipe});
    launch.run().ended_with(65, "it is no regular file");
    launch.sources = json!({"/bin/busybox": "/etc/passwd"});
    launch.run().ended_with(65, "bytes, not");
    launch.sources = json!({"/bin/busybox": folder.path().join("none")});
    launch.run().ended_with(65, "it cannot be read");
}

#[test]
fn a_domain_started_for_another_manifest_is_refused() {
    let mut launch = Launch::shell("echo ran");
    launch.host_data = Some([7; 32]);
    let outcome = launch
        .run()
        .ended_with(65, "the platform started this domain for sha256:0707");
    assert!(!outcome.output.contains("ran"));
}

#[test]
fn exit_statuses_and_signals_pass_through() {
    Launch::shell("exit 42").run().ended_with(42, "");
    Launch::shell("kill -9 $$").run().ended_with(128 + 9, "");
    let mut launch = Launch::shell("");
    launch.manifest["entrypoint"] = json!(["/bin/dangling"]);
    launch.manifest["root"]
        .as_array_mut()
        .unwrap()
        .insert(2, json!({"path": "/bin/dangling", "type": "symlink", "target": "none"}));
    launch.run().ended_with(127, "/bin/dangling cannot be started");
    launch.manifest["root"][1]["mode"] = json!("0644");
    launch.manifest["entrypoint"] = json!(["/bin/busybox"]);
    launch.run().ended_with(126, "/bin/busybox cannot be started");
}

#[test]
fn sigterm_reaches_the_workload() {
    let launch = Launch::shell(
        "trap 'echo stopping; exit 3' TERM; echo ready > /dev/stderr; while :; do busybox sleep 0.05; done",
    );
    let child = launch.spawn();
    std::thread::sleep(Duration::from_millis(700));
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    launch::Outcome::of(child.wait_with_output().unwrap()).ended_with(3, "stopping");
}

#[test]
fn everything_dies_with_the_supervisor() {
    let mut child = Launch::shell("busybox sleep 60").spawn();
    std::thread::sleep(Duration::from_millis(700));
    let began = Instant::now();
    child.kill().unwrap();
    // The pipe of the workload's output closes only when its last process is gone.
    child.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn orphans_are_reaped_and_end_with_the_workload() {
    let script = "(busybox sleep 0.1 &) ; busybox sleep 0.4; busybox ps -o stat,args | busybox grep '^Z' ; (busybox sleep 60 &); exit 5";
    let began = Instant::now();
    let outcome = Launch::shell(script).run().ended_with(5, "");
    assert!(!outcome.output.contains('Z'), "{}", outcome.output);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn namespaces_mounts_and_the_shield_itself_are_out_of_reach() {
    let script = "busybox unshare -U true; busybox mount -t tmpfs x /tmp; busybox cat /proc/1/environ; busybox ls /proc/1/fd; echo end";
    let outcome = Launch::shell(script).run().ended_with(0, "end");
    assert!(
        outcome.output.contains("unshare") && outcome.output.contains("mount"),
        "{}",
        outcome.output
    );
    assert_eq!(
        outcome.output.matches("Permission denied").count(),
        2,
        "{}",
        outcome.output
    );
}

#[test]
fn a_workload_with_uid_0_cannot_change_the_machine_either() {
    let script = "echo x > /proc/sys/kernel/hostname; echo 1 > /proc/sys/vm/overcommit_memory; \
                  busybox cat /proc/1/environ; busybox cat /proc/1/mem; busybox hostname";
    let mut launch = Launch::shell(script);
    launch.manifest["user"] = json!({"uid": 0, "gid": 0});
    let outcome = launch.run().ended_with(0, "casemate\n");
    assert_eq!(
        outcome.output.matches("Read-only file system").count(),
        2,
        "{}",
        outcome.output
    );
    assert_eq!(
        outcome.output.matches("Permission denied").count(),
        2,
        "{}",
        outcome.output
    );
}

#[test]
fn host_folders_are_read_only_if_the_manifest_says_so_and_never_executable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(launch::BUSYBOX, folder.path().join("b")).unwrap();
    let mut launch = Launch::shell("echo x > /data/y; /data/b true; echo $?");
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "read"}]);
    launch.manifest["user"] = json!({"uid": 0, "gid": 0});
    launch.mounts = json!({"/data": folder.path()});
    let outcome = launch.run().ended_with(0, "126\n");
    assert!(outcome.output.contains("Read-only file system"), "{}", outcome.output);
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "write"}]);
    launch.run().ended_with(0, "126\n");
    assert_eq!(std::fs::read_to_string(folder.path().join("y")).unwrap(), "x\n");
}

#[test]
fn folders_that_lead_to_the_kernel_are_not_mounted() {
    let mut launch = Launch::shell("echo ran");
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "read"}]);
    for folder in ["/sys", "/proc", "/proc/self/fd"] {
        launch.mounts = json!({"/data": folder});
        launch.run().ended_with(70, "cannot be mounted");
    }
}

#[test]
fn a_broken_bundle_is_refused() {
    let launch = Launch::shell("echo ran");
    for bundle in ["", "{}", "[]", "{\"casemate_launch\":1,\"casemate_launch\":1}"] {
        launch::Outcome::of(launch.spawn_with(bundle, [0; 32]).wait_with_output().unwrap()).ended_with(64, "malformed");
    }
}

#[test]
fn without_privileges_the_workload_is_confined_just_the_same() {
    let script = "busybox id -u; busybox touch /x; echo ok > /tmp/x; busybox grep CapBnd /proc/self/status; busybox unshare -U true";
    let mut launch = Launch::shell(script);
    launch.runner = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
        .map(String::from)
        .to_vec();
    let outcome = launch.run().ended_with(1, "1000\n");
    assert!(outcome.output.contains("Read-only file system"), "{}", outcome.output);
    assert!(
        outcome.output.contains("CapBnd:\t0000000000000000"),
        "{}",
        outcome.output
    );
}
