//! Once the workload runs, nobody but the workload still knows its secrets. Needs root, to look into memory.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use casemate_testing::{Custodian, Server, b64u};
use launch::{Launch, POLICY};
use rustix::process::Pid;
use serde_json::json;

/// How often each of `needles` stands in the memory of a process (proc_pid_maps(5), proc_pid_mem(5)).
fn found_in(process: Pid, needles: &[&str]) -> Vec<usize> {
    let id = process.as_raw_nonzero();
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let memory = File::open(format!("/proc/{id}/mem")).unwrap();
    let mut counts = vec![0; needles.len()];
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (from, to) = (
            u64::from_str_radix(from, 16).unwrap(),
            u64::from_str_radix(to, 16).unwrap(),
        );
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            for (count, needle) in counts.iter_mut().zip(needles) {
                *count += bytes
                    .windows(needle.len())
                    .filter(|window| *window == needle.as_bytes())
                    .count();
            }
        }
    }
    counts
}

#[test]
fn supervisor_and_pid_1_forget_what_they_passed_on() {
    // Quotes make a JSON parser copy what it reads; long values make buffers grow.
    let token = format!("quoted\"{}\"hole-secret", "t".repeat(2000));
    let file = format!("{}file-secret", "f".repeat(100_000));
    let configuration = json!({"casemate_configuration": 1, "holes": {"token": token},
                               "files": [{"path": "/run/key", "content": b64u(&file), "mode": "0400"}]});
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| own.genuine(request, POLICY, &configuration));
    let script = "KEY=$(busybox cat /run/key); busybox sleep 600; echo $KEY";
    let mut launch = Launch::workload(script, &custodian, &[server.address()]);
    launch.manifest["environment"]["TOKEN"] = json!("{{ hole.token }}");
    launch.manifest["files"] = json!(["/run/key"]);
    launch.manifest["holes"] = json!({"token": {"from": "policy", "pattern": ".*"}});
    launch.arguments = vec!["--timings".into()];
    let mut running = launch.spawn();
    running.wait_for("timing");
    let needles = [&token[token.len() - 40..], &file[file.len() - 40..], &b64u(&file)[..40]];
    let (supervisor, pid_1) = (running.supervisor(), running.pid_1());
    let by_supervisor = found_in(supervisor, &needles);
    let by_pid_1 = found_in(pid_1, &needles);
    let by_workload = found_in(running.workload(), &needles);
    running.signal(9);
    running.end();
    assert!(by_workload[0] > 0, "the search finds what is there");
    assert_eq!((by_supervisor, by_pid_1), (vec![0; 3], vec![0; 3]));
}
