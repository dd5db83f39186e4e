//! Supervisor and PID 1: what they may do while the workload runs, and who may look into them. Needs root.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use casemate_testing::{Custodian, Server};
use launch::{Launch, POLICY, Running};
use rustix::process::Pid;
use serde_json::json;

/// CAP_KILL and CAP_IPC_LOCK (linux/capability.h): to pass signals on, and to keep memory out of swap.
const KEPT: u64 = 1 << 5 | 1 << 14;
const WAITING: &str = "echo ready; busybox sleep 600";

/// One set of capabilities of every thread of a process (proc_pid_status(5)), united.
fn capabilities(process: Pid, set: &str) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).unwrap();
    let of_task = |task: std::fs::DirEntry| {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(set)?.strip_prefix(":\t").map(str::to_owned));
        line.map_or(0, |digits| u64::from_str_radix(&digits, 16).unwrap())
    };
    tasks.flatten().map(of_task).fold(0, |all, one| all | one)
}

/// Privileges are given up just after the workload began: looks until it is so, or has waited long enough to be sure.
fn settles_on(process: Pid, set: &str, expected: u64) -> bool {
    (0..200).any(|_| {
        thread::sleep(Duration::from_millis(20));
        capabilities(process, set) == expected
    })
}

fn end(running: Running) {
    running.signal(9);
    running.end();
}

#[test]
fn what_watches_the_workload_keeps_two_capabilities() {
    let mut running = Launch::shell(WAITING).spawn();
    running.wait_for("ready");
    for process in [running.supervisor(), running.pid_1()] {
        for (set, expected) in [("CapEff", KEPT), ("CapPrm", KEPT), ("CapInh", 0), ("CapAmb", 0)] {
            assert!(
                settles_on(process, set, expected),
                "{set}: {:x}",
                capabilities(process, set)
            );
        }
    }
    end(running);
}

#[test]
fn nobody_in_a_workloads_domain_can_ask_the_platform_any_more() {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let configuration = json!({"casemate_configuration": 1, "holes": {}, "files": []});
    let server = Server::answering(move |request| own.genuine(request, POLICY, &configuration));
    let mut running = Launch::workload(WAITING, &custodian, &[server.address()]).spawn();
    running.wait_for("ready");
    for process in [running.supervisor(), running.pid_1(), running.workload()] {
        assert!(!running.can_ask_the_platform(process));
    }
    end(running);
}

#[test]
fn in_a_custodians_domain_only_the_supervisor_can_ask_the_platform() {
    let mut running = Launch::shell(WAITING).spawn();
    running.wait_for("ready");
    assert!(running.can_ask_the_platform(running.supervisor()));
    assert!(!running.can_ask_the_platform(running.pid_1()));
    assert!(!running.can_ask_the_platform(running.workload()));
    end(running);
}

#[test]
fn other_processes_of_the_same_user_cannot_look_in() {
    let tried = Launch::shell("exit 0").unprivileged().run();
    if tried.output.contains("the kernel gives no namespaces") {
        eprintln!("skipped: {}", tried.output);
        return;
    }
    let mut running = Launch::shell(WAITING).unprivileged().spawn();
    running.wait_for("ready");
    let readable = |process: Pid| {
        let environment = format!("/proc/{}/environ", process.as_raw_nonzero());
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--",
            "cat",
            &environment,
        ]);
        command.output().unwrap().status.success()
    };
    // The workload is an ordinary program: whoever could look into anything could look into that.
    assert!(readable(running.workload()));
    assert!(!readable(running.supervisor()) && !readable(running.pid_1()));
    end(running);
}
