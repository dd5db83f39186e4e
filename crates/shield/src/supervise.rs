//! The supervisor's life while the workload runs: forwards signals, watches the lease, passes the exit status on.

use std::os::fd::AsFd;
use std::time::Duration;

use casemate_sys::{SignalDescriptor, send_signal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::failure::Failure;
use crate::init::exit_status;
use crate::lease::Watch;
use casemate_custodian_client::clock;

/// Time that a workload has between SIGTERM and SIGKILL when its lease is over.
const GRACE: Duration = Duration::from_secs(5);

/// How the workload ended.
#[derive(Debug)]
pub enum End {
    /// By itself, with this exit status.
    Status(i32),
    /// Because the lease was over.
    Stopped(Failure),
}

/// Waits for PID 1 of the workload's namespace, whose number out here is `init`.
pub fn until_end(init: Pid, signals: &SignalDescriptor, lease: Option<&Watch>) -> End {
    loop {
        if let Some(status) = ended(init) {
            return End::Status(status);
        }
        watch(signals, lease, None);
        forward(init, signals);
        if let Some(failure) = lease.and_then(Watch::verdict) {
            return stop(init, signals, failure);
        }
    }
}

/// Waits for a signal or the lease.
fn watch(signals: &SignalDescriptor, lease: Option<&Watch>, limit: Option<Duration>) {
    let limit = limit.map(clock::timespec);
    let mut waiting = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
    if let Some(lease) = lease {
        waiting.extend(
            lease
                .descriptors()
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
    }
    // Interrupted or not: whoever called looks at everything again.
    let _ = poll(&mut waiting, limit.as_ref());
}

fn forward(init: Pid, signals: &SignalDescriptor) {
    while let Ok(Some(signal)) = signals.next() {
        if signal != libc::SIGCHLD {
            // It may have ended meanwhile, which the next look shows.
            let _ = send_signal(init, signal);
        }
    }
}

fn stop(init: Pid, signals: &SignalDescriptor, failure: Failure) -> End {
    let _ = kill_process(init, Signal::TERM);
    let deadline = clock::since_boot() + GRACE;
    while ended(init).is_none() {
        let left = deadline.saturating_sub(clock::since_boot());
        if left.is_zero() {
            // The kernel ends everything in a namespace with its PID 1.
            let _ = kill_process(init, Signal::KILL);
            let _ = waitpid(Some(init), WaitOptions::empty());
            break;
        }
        watch(signals, None, Some(left));
        forward(init, signals);
    }
    End::Stopped(failure)
}

fn ended(init: Pid) -> Option<i32> {
    waitpid(Some(init), WaitOptions::NOHANG)
        .ok()
        .flatten()
        .map(|(_, status)| exit_status(status))
}
