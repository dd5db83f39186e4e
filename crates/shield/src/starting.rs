//! The supervisor's side of the time between fork and the workload's first instruction.

use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};

use crate::devices::Devices;
use crate::failure::{Exit, Failure};
use crate::handover::{Report, Start};
use crate::lease::Watch;
use crate::manifest::Manifest;

/// PID 1 before the workload runs. The lease counts already: whoever delays the root's building must not start a
/// workload with a configuration that was revoked meanwhile.
#[derive(Debug)]
pub struct Starting<'a> {
    channel: &'a mut UnixStream,
    lease: Option<&'a Watch>,
}

impl<'a> Starting<'a> {
    /// Reached through `channel`, for a workload under `lease`.
    pub fn new(channel: &'a mut UnixStream, lease: Option<&'a Watch>) -> Self {
        Self { channel, lease }
    }

    /// Sends what the workload is started with.
    ///
    /// # Errors
    /// [`Exit::Confinement`] when PID 1 is gone.
    pub fn send(&mut self, start: &Start) -> Result<(), Failure> {
        start.send(self.channel).map_err(handover_failed)
    }

    /// Waits until the private root stands; when that was.
    ///
    /// # Errors
    /// What PID 1 reported, or that the lease is over.
    pub fn built(&mut self) -> Result<u64, Failure> {
        match self.next()? {
            Report::Built(time) => Ok(time),
            Report::Failed(failure) => Err(failure),
            Report::Executed(_) => Err(out_of_turn()),
        }
    }

    /// Receives what the supervisor serves of this manifest, which follows the report that the root stands.
    ///
    /// # Errors
    /// [`Exit::Confinement`] when PID 1 is gone.
    pub fn devices(&mut self, manifest: &Manifest) -> Result<Devices, Failure> {
        Devices::receive(self.channel, manifest).map_err(handover_failed)
    }

    /// Waits until the workload runs; since when.
    ///
    /// # Errors
    /// What PID 1 reported, or that the lease is over.
    pub fn executed(&mut self) -> Result<u64, Failure> {
        match self.next()? {
            Report::Executed(time) => Ok(time),
            Report::Failed(failure) => Err(failure),
            Report::Built(_) => Err(out_of_turn()),
        }
    }

    fn next(&mut self) -> Result<Report, Failure> {
        while !self.has_report() {
            if let Some(failure) = self.lease.and_then(Watch::verdict) {
                return Err(failure);
            }
        }
        let report = Report::receive(self.channel).map_err(handover_failed)?;
        // The lease may have ended while there was a report to read as well.
        if let Some(failure) = self.lease.and_then(Watch::verdict) {
            return Err(failure);
        }
        report.ok_or_else(|| Failure::new(Exit::Confinement, "PID 1 of the workload ended before it started it"))
    }

    /// Waits for a report or the lease's end; whether there is a report.
    fn has_report(&self) -> bool {
        let mut waiting = vec![PollFd::new(&*self.channel, PollFlags::IN)];
        let lease = self.lease.iter().flat_map(|lease| lease.descriptors());
        waiting.extend(lease.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        // Interrupted or not: whoever called looks at everything again.
        let _ = poll(&mut waiting, None);
        !waiting[0].revents().is_empty()
    }
}

fn out_of_turn() -> Failure {
    Failure::new(Exit::Confinement, "PID 1 of the workload reported out of turn")
}

fn handover_failed(error: std::io::Error) -> Failure {
    Failure::new(
        Exit::Confinement,
        format!("PID 1 of the workload cannot be reached: {error}"),
    )
}
