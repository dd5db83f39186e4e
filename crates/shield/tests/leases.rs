//! A workload runs as long as its lease.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use casemate_testing::{Answer, Custodian, Request, Server, b64u};
use launch::{Launch, POLICY};
use rustix::process::{Signal, kill_process};
use serde_json::json;

/// Short, so that tests need not wait long, and long enough for a busy machine.
const SECONDS: u64 = 6;
const STOPS_WHEN_ASKED: &str = "trap 'echo stopping; exit 0' TERM; echo ready; while :; do busybox sleep 0.05; done";

/// A workload with a short lease whose renewals are answered like this, once `changed`; before, they are granted.
struct Leased {
    launch: Launch,
    changed: Arc<AtomicBool>,
    sequences: Arc<Mutex<Vec<u64>>>,
}

fn leased(script: &str, later: impl Fn(&Custodian, &Request) -> Answer + Send + 'static) -> Leased {
    let (custodian, changed) = (Arc::new(Custodian::new()), Arc::new(AtomicBool::new(false)));
    let sequences = Arc::new(Mutex::new(Vec::new()));
    let (own, now, seen) = (Arc::clone(&custodian), Arc::clone(&changed), Arc::clone(&sequences));
    let server = Server::answering(move |request| match request.path.as_str() {
        "/v1/challenges" => own.challenge(request),
        "/v1/attestations" => {
            let configuration = json!({"casemate_configuration": 1, "holes": {}, "files": []});
            let mut release = own.release(request, POLICY, &configuration);
            release.lease = json!({"id": b64u([3; 16]), "seconds": SECONDS});
            own.released(request, &release)
        }
        _ => {
            seen.lock().unwrap().push(request.field("sequence").as_u64().unwrap());
            if now.load(Ordering::SeqCst) {
                later(&own, request)
            } else {
                own.renewal(request, SECONDS)
            }
        }
    });
    let launch = Launch::workload(script, &custodian, &[server.address()]);
    Leased {
        launch,
        changed,
        sequences,
    }
}

impl Leased {
    /// Waits until this many renewals were asked for.
    fn wait_for_renewals(&self, count: usize) {
        while self.sequences.lock().unwrap().len() < count {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn refused(custodian: &Custodian, request: &Request) -> Answer {
    custodian.problem(request, 403, "lease.revoked")
}

fn noise(custodian: &Custodian, request: &Request) -> Answer {
    custodian.renewal(request, SECONDS).without("signature")
}

#[test]
fn a_revoked_lease_stops_the_workload_with_72() {
    let leased = leased(STOPS_WHEN_ASKED, refused);
    let mut running = leased.launch.spawn();
    running.wait_for("ready");
    leased.changed.store(true, Ordering::SeqCst);
    let outcome = running.end().ended_with(72, "stopping\n");
    outcome.says("the custodian revoked the lease").says(&"ab".repeat(20));
}

#[test]
fn a_lease_that_nobody_renews_stops_the_workload_with_71() {
    let leased = leased(STOPS_WHEN_ASKED, noise);
    let mut running = leased.launch.spawn();
    running.wait_for("ready");
    leased.changed.store(true, Ordering::SeqCst);
    let outcome = running.end().ended_with(71, "stopping\n");
    outcome.says("the lease ended and no custodian renewed it");
}

#[test]
fn a_workload_that_does_not_stop_is_killed_with_all_that_it_started() {
    let script = "trap '' TERM; (busybox setsid busybox sleep 600 &); echo ready; while :; do busybox sleep 0.05; done";
    let leased = leased(script, refused);
    let mut running = leased.launch.spawn();
    running.wait_for("ready");
    leased.changed.store(true, Ordering::SeqCst);
    running.end().ended_with(72, "revoked");
}

#[test]
fn a_lease_is_renewed_for_as_long_as_the_workload_runs() {
    let leased = leased(STOPS_WHEN_ASKED, refused);
    let mut running = leased.launch.spawn();
    running.wait_for("ready");
    // Longer than the first lease: renewals come after a third of it.
    leased.wait_for_renewals(4);
    running.signal(15);
    running.end().ended_with(0, "stopping\n");
    let sequences = leased.sequences.lock().unwrap();
    assert!(
        sequences.iter().copied().eq(1..=sequences.len() as u64),
        "{sequences:?}"
    );
}

#[test]
fn failures_that_may_pass_do_not_stop_the_workload() {
    let failures = Mutex::new(0);
    let leased = leased(STOPS_WHEN_ASKED, move |custodian, request| {
        let mut failures = failures.lock().unwrap();
        *failures += 1;
        match *failures {
            1 => custodian.problem(request, 503, "service.busy"),
            2 => custodian.problem(request, 401, "request.stale"),
            3 => noise(custodian, request),
            _ => custodian.renewal(request, SECONDS),
        }
    });
    leased.changed.store(true, Ordering::SeqCst);
    let mut running = leased.launch.spawn();
    running.wait_for("ready");
    leased.wait_for_renewals(5);
    running.signal(15);
    running.end().ended_with(0, "stopping\n");
    // The number whose answer was lost came again, and nothing was left out.
    assert_eq!(leased.sequences.lock().unwrap()[..5], [1, 1, 1, 1, 2]);
}

#[test]
fn a_workload_is_not_started_when_its_lease_ended_while_its_root_was_built() {
    for (answer, status) in [(refused as fn(&Custodian, &Request) -> Answer, 72), (noise, 71)] {
        let leased = leased("echo ran", answer);
        leased.changed.store(true, Ordering::SeqCst);
        let running = leased.launch.spawn();
        // Whoever can delay the building of the root can do so for longer than a lease.
        kill_process(running.pid_1(), Signal::STOP).unwrap();
        running.end().ended_with(status, "").never_says("ran\n");
    }
}
