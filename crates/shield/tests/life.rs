//! From the workload's first instruction to its last: exit statuses, signals, orphans, death.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::path::Path;

use launch::Launch;
use rustix::pipe::pipe;
use rustix::process::{Signal, kill_process};
use serde_json::json;

const WAITING: &str = "echo ready; while :; do busybox sleep 0.05; done";

#[test]
fn exit_statuses_and_signals_pass_through() {
    Launch::shell("exit 42").run().ended_with(42, "");
    Launch::shell("kill -9 $$").run().ended_with(128 + 9, "");
    Launch::shell("kill -SEGV $$").run().ended_with(128 + 11, "");
}

#[test]
fn a_program_that_is_not_there_ends_with_127() {
    let mut launch = Launch::shell("");
    launch.manifest["entrypoint"] = json!(["/bin/dangling"]);
    launch.add(json!({"path": "/bin/dangling", "type": "symlink", "target": "none"}));
    launch.run().ended_with(127, "/bin/dangling cannot be started");
}

#[test]
fn a_program_whose_interpreter_or_loader_is_not_there_ends_with_127() {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), "#!/usr/bin/none\n").unwrap();
    let launch = Launch::shell("").program("/bin/script", script.path());
    launch.run().ended_with(127, "/bin/script cannot be started");
    // A dynamic program without its loader.
    let launch = Launch::shell("").program("/bin/dynamic", Path::new("/bin/true"));
    launch.run().ended_with(127, "/bin/dynamic cannot be started");
}

#[test]
fn a_program_that_cannot_be_executed_ends_with_126() {
    let mut launch = Launch::shell("");
    launch.manifest["entrypoint"] = json!(["/bin/busybox"]);
    launch.manifest["root"][1]["mode"] = json!("0644");
    launch.run().ended_with(126, "/bin/busybox cannot be started");
    let noise = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(noise.path(), [0; 64]).unwrap();
    let launch = Launch::shell("").program("/bin/noise", noise.path());
    launch.run().ended_with(126, "/bin/noise cannot be started");
}

#[test]
fn a_working_directory_that_is_not_there_is_refused() {
    let mut launch = Launch::shell("echo ran");
    launch.manifest["working_directory"] = json!("/none");
    launch
        .run()
        .ended_with(70, "working directory /none cannot be entered")
        .never_says("ran");
    launch.manifest["working_directory"] = json!("/tmp");
    launch.manifest["entrypoint"] = json!(["/bin/sh", "-c", "busybox pwd"]);
    launch.run().ended_with(0, "/tmp\n");
}

#[test]
fn every_signal_that_is_not_the_shields_own_reaches_the_workload() {
    // SIGHUP, SIGINT, SIGUSR1, SIGTERM, SIGIO, SIGPWR, and a real-time one.
    for signal in [1, 2, 10, 15, 29, 30, 40] {
        let script = format!("trap 'echo got {signal}; exit 3' {signal}; {WAITING}");
        let mut running = Launch::shell(&script).spawn();
        running.wait_for("ready");
        running.signal(signal);
        running.end().ended_with(3, &format!("got {signal}\n"));
    }
}

#[test]
fn a_key_on_the_terminal_comes_once() {
    // PID 1 leads a session of its own, so the terminal's signals go to the supervisor alone, and so does the workload,
    // which cannot become part of PID 1's (proc_pid_stat(5), field 6).
    let script = "for p in 1 $$; do busybox cut -d ' ' -f 6 /proc/$p/stat; done; echo $$";
    Launch::shell(script).run().ended_with(0, "1\n3\n3\n");
}

#[test]
fn everything_dies_with_the_supervisor() {
    let mut running = Launch::shell(&format!("(busybox setsid busybox sleep 600 &); {WAITING}")).spawn();
    running.wait_for("ready");
    kill_process(running.supervisor(), Signal::KILL).unwrap();
    // Comes back only when the last process that holds the pipe is gone.
    assert_eq!(running.end().status, None);
}

#[test]
fn everything_dies_with_the_supervisor_while_pid_1_is_stopped() {
    let mut running = Launch::shell(WAITING).spawn();
    running.wait_for("ready");
    kill_process(running.pid_1(), Signal::STOP).unwrap();
    kill_process(running.supervisor(), Signal::KILL).unwrap();
    assert_eq!(running.end().status, None);
}

#[test]
fn pid_1_that_is_killed_ends_everything() {
    let mut launch = Launch::shell(WAITING);
    launch.arguments = vec!["--timings".into()];
    let mut running = launch.spawn();
    // Said once PID 1 reported that the workload runs.
    running.wait_for("timing");
    kill_process(running.pid_1(), Signal::KILL).unwrap();
    running.end().ended_with(128 + 9, "");
}

#[test]
fn orphans_are_reaped_and_end_with_the_workload() {
    let script = "(busybox true &); while busybox ps -o stat | busybox grep -q '^Z'; do :; done; \
                  (busybox sleep 600 &); exit 5";
    Launch::shell(script).run().ended_with(5, "");
}

#[test]
fn what_whoever_started_the_shield_ignores_or_blocks_does_not_matter() {
    let mut launch = Launch::shell("busybox grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 6");
    let ignoring = [
        "env",
        "--ignore-signal=CHLD",
        "--ignore-signal=PIPE",
        "--block-signal=TERM",
    ];
    launch.runner = ignoring.map(String::from).to_vec();
    let outcome = launch.run().ended_with(6, "SigBlk:\t0000000000000000");
    outcome.says("SigIgn:\t0000000000000000");
}

#[test]
fn the_status_comes_through_when_nobody_reads_the_output() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut launch = Launch::shell("exit 7");
    launch.output = Some(writer);
    launch.arguments = vec!["--timings".into()];
    assert_eq!(launch.run().status, Some(7));
    launch.host_data = Some([7; 32]);
    assert_eq!(launch.run().status, Some(65));
}

#[test]
fn timings_are_one_line() {
    let mut launch = Launch::shell("exit 0");
    launch.arguments = vec!["--timings".into()];
    launch
        .run()
        .ended_with(0, "casemate-shield: timing attest_ms=")
        .says_times(1, "exec_ns=");
}
