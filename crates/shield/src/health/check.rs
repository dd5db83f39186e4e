//! The process that runs the check when it is asked: a sibling of the workload, with its user, root and confinement.
//!
//! It was confined once, before it knew the first question, and can do no more than the workload itself, which may well
//! stop or end it: then nobody calls that workload healthy. Like the workload's, its memory is not kept out of swap.

use std::ffi::{CStr, CString};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use casemate_custodian_client::clock;
use casemate_sys::{Fork, close_others, execute, fork, place_descriptor};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, kill_process_group, pidfd_open, setsid, waitpid,
};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::manifest::HealthCheck;

/// Asks for a check.
pub const ASK: u8 = b'?';
/// It succeeded.
pub const HEALTHY: u8 = b'+';
/// It failed, or took too long, or could not be started.
pub const UNHEALTHY: u8 = b'-';

/// What the check writes is nobody's; it is given nothing to read.
const NOTHING: &str = "/dev/null";
/// Exit status of a check that cannot be started, as shells have it.
const NOT_FOUND: i32 = 127;

/// A check that can run again and again.
pub struct Checker {
    command: Vec<Zeroizing<CString>>,
    environment: Vec<Zeroizing<CString>>,
    limit: Duration,
    channel: UnixStream,
}

impl Checker {
    /// Of `check`, with the workload's `environment`; asked through `channel`.
    ///
    /// # Errors
    /// [`Exit::Bundle`].
    pub fn new(
        check: &HealthCheck,
        environment: Vec<Zeroizing<CString>>,
        channel: UnixStream,
    ) -> Result<Self, Failure> {
        let text = |part: &String| CString::new(part.as_str()).map(Zeroizing::new);
        let command = check.command.iter().map(text).collect::<Result<_, _>>();
        Ok(Self {
            command: command.map_err(Failure::because(Exit::Bundle, "the health check"))?,
            environment,
            limit: check.timeout,
            channel,
        })
    }

    /// Answers as long as there is a supervisor; returns only if it cannot begin. The process is confined already.
    pub fn serve(&mut self) -> Failure {
        // It has no use for the host's descriptors, and the workload, of the same user, none of a way to them.
        if let Err(error) = close_others(self.channel.as_fd()).and_then(|()| with_nothing()) {
            return Failure::because(Exit::Confinement, "the health check's descriptors")(error);
        }
        while matches!(self.channel.read(&mut [0]), Ok(1)) {
            let answer = match self.succeeds() {
                Ok(true) => HEALTHY,
                Ok(false) | Err(_) => UNHEALTHY,
            };
            if self.channel.write_all(&[answer]).is_err() {
                break;
            }
        }
        std::process::exit(0)
    }

    /// Runs it once. Afterwards nothing of it is left, but what made itself a session of its own.
    fn succeeds(&self) -> io::Result<bool> {
        match fork()? {
            Fork::Child => self.run(),
            Fork::Parent(check) => {
                let in_time = ends_within(check, self.limit);
                // Not waited for yet, it still has its number, and with that its group. It may not have made one yet.
                let _ = kill_process_group(check, Signal::KILL);
                let _ = kill_process(check, Signal::KILL);
                let ended = waitpid(Some(check), WaitOptions::empty())?;
                let status = ended.and_then(|(_, status)| status.exit_status());
                Ok(in_time? && status == Some(0))
            }
        }
    }

    fn run(&self) -> ! {
        // A group of its own.
        if let (Ok(_), Some(program)) = (setsid(), self.command.first()) {
            let program: &CStr = program.as_ref();
            let _ = execute(program, &self.command, &self.environment);
        }
        std::process::exit(NOT_FOUND)
    }
}

/// Nothing on the standard descriptors.
fn with_nothing() -> io::Result<()> {
    let nothing = OpenOptions::new().read(true).write(true).open(NOTHING)?;
    for number in 0..3 {
        place_descriptor(nothing.try_clone()?.into(), number)?;
    }
    Ok(())
}

fn ends_within(process: Pid, limit: Duration) -> io::Result<bool> {
    let process = pidfd_open(process, PidfdFlags::empty())?;
    let mut waiting = [PollFd::new(&process, PollFlags::IN)];
    Ok(poll(&mut waiting, Some(&clock::timespec(limit)))? > 0)
}
