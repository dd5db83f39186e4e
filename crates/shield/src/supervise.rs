//! The supervisor's life while the workload runs: forwards signals, watches the lease, passes the exit status on.

use std::os::fd::AsFd;
use std::time::Duration;

use casemate_sys::SignalDescriptor;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::clock;
use crate::failure::Failure;
use crate::init::exit_status;
use crate::lease::Watch;

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
        let refused = watch(signals, lease, None);
        forward(init, signals);
        if let Some(failure) = lease.and_then(|lease| lease.verdict(refused)) {
            return stop(init, signals, failure);
        }
    }
}

/// Waits for a signal or the lease; whether the custodian refused.
fn watch(signals: &SignalDescriptor, lease: Option<&Watch>, limit: Option<Duration>) -> bool {
    let limit = limit.map(clock::timespec);
    let mut waiting = vec![PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
    if let Some(lease) = lease {
        waiting.push(PollFd::from_borrowed_fd(lease.timer(), PollFlags::IN));
        waiting.push(PollFd::from_borrowed_fd(lease.refusal(), PollFlags::IN));
    }
    // Interrupted or not: whoever called looks at everything again.
    let _ = poll(&mut waiting, limit.as_ref());
    waiting.get(2).is_some_and(|refusal| !refusal.revents().is_empty())
}

fn forward(init: Pid, signals: &SignalDescriptor) {
    while let Ok(Some(signal)) = signals.next() {
        if let Some(signal) = Signal::from_named_raw(signal).filter(|signal| *signal != Signal::CHILD) {
            // It may have ended meanwhile, which the next look shows.
            let _ = kill_process(init, signal);
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
