//! The same promises without privileges, where the kernel gives users their own namespaces.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use launch::Launch;
use rustix::process::{Signal, kill_process};
use serde_json::json;

/// Whether users get namespaces here; some distributions switch them off.
fn possible() -> bool {
    let outcome = Launch::shell("exit 0").unprivileged().run();
    if outcome.output.contains("the kernel gives no namespaces") {
        eprintln!("skipped: {}", outcome.output);
        return false;
    }
    true
}

#[test]
fn the_workload_is_confined_just_the_same() {
    let script = "busybox id; busybox touch /x; echo ok > /tmp/x; busybox grep -E 'CapBnd|NoNewPrivs|Seccomp:' \
                  /proc/self/status; busybox cat /proc/1/environ; busybox head -c 8 /proc/keys; busybox ls /; \
                  busybox cat /proc/self/coredump_filter; busybox unshare -U true";
    if possible() {
        let outcome = Launch::shell(script)
            .unprivileged()
            .run()
            .ended_with(1, "uid=1000 gid=1000");
        outcome
            .says("Read-only file system")
            .says("CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n")
            .says("Permission denied")
            .says("bin\ndev\nproc\ntmp\n00000000\n");
    }
}

#[test]
fn uid_0_is_as_confined_as_any_other() {
    let script = "busybox id -u; busybox touch /x; echo x > /proc/sys/kernel/hostname; busybox cat /proc/1/mem";
    if possible() {
        let outcome = Launch::shell(script)
            .with_uid_0()
            .unprivileged()
            .run()
            .ended_with(1, "0\n");
        outcome.says_times(2, "Read-only file system").says("Permission denied");
    }
}

#[test]
fn signals_statuses_and_death_work_the_same() {
    if !possible() {
        return;
    }
    let waiting = "trap 'exit 3' TERM; echo ready; while :; do busybox sleep 0.05; done";
    let launch = Launch::shell(waiting).unprivileged();
    let mut running = launch.spawn();
    running.wait_for("ready");
    running.signal(15);
    running.end().ended_with(3, "");
    let mut running = launch.spawn();
    running.wait_for("ready");
    kill_process(running.supervisor(), Signal::KILL).unwrap();
    assert_eq!(running.end().status, None);
}

#[test]
fn host_folders_keep_their_access() {
    if !possible() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut launch = Launch::shell("echo x > /data/y; busybox cat /data/y").unprivileged();
    launch.mounts = json!({"/data": folder.path()});
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "read"}]);
    launch.run().ended_with(1, "Read-only file system");
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "write"}]);
    launch.run().ended_with(0, "x\n");
}

#[test]
fn a_changed_file_is_refused_just_the_same() {
    if possible() {
        let mut launch = Launch::shell("echo ran").unprivileged();
        launch.sources = json!({"/bin/busybox": "/bin/true"});
        launch
            .run()
            .ended_with(65, "is not the measured file")
            .never_says("ran");
    }
}
