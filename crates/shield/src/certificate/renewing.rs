//! Making the next certificate in time, for as long as the workload runs.

use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use casemate_evidence::Platform;
use casemate_hardening::keep_only;
use casemate_sys::block_signals;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::thread::CapabilitySet;

use super::{Folder, Holder, Issued, Maker, Pair, Time};
use crate::failure::{Exit, Failure};
use crate::tell;

/// Longest time between two looks at the clock: the machine may sleep, and what failed is tried again.
const LOOK: Duration = Duration::from_secs(30);

/// A workload's certificate, and what makes the next one.
#[derive(Debug)]
pub struct Certified {
    maker: Maker,
    current: Issued,
}

/// A certificate that is replaced in time.
#[derive(Debug)]
pub(super) struct Renewing {
    certified: Certified,
    folder: Folder,
    /// Who is told of a new one: PID 1 of the workload's namespace, which passes signals on. Not by its number, which may
    /// become another's.
    reader: Option<(OwnedFd, Signal)>,
}

impl Certified {
    /// Makes a key and its first certificate, valid for `lifetime`.
    ///
    /// # Errors
    /// [`Exit::Platform`], when there is no evidence, or more than a certificate holds.
    pub fn first(
        platform: Box<dyn Platform + Send>,
        holder: Holder,
        time: Time,
        lifetime: Duration,
    ) -> Result<(Pair, Self), Failure> {
        let (mut maker, key) = Maker::new(platform, holder, time, lifetime)?;
        let current = maker.issue()?;
        let certificate = current.certificate.clone();
        Ok((Pair { key, certificate }, Self { maker, current }))
    }

    /// Replaces it in `folder` from now on, on a thread of its own, to the end of this process. `reader` and what it is
    /// sent then: a child that nobody has waited for.
    ///
    /// # Errors
    /// [`Exit::Confinement`] when the kernel gives no thread.
    pub fn renew_in(self, folder: Folder, reader: Option<(Pid, Signal)>) -> Result<(), Failure> {
        let reader = reader.map(|(pid, signal)| pidfd_open(pid, PidfdFlags::empty()).map(|process| (process, signal)));
        let reader = reader.transpose().map_err(refused("pidfd_open"))?;
        let renewing = Renewing {
            reader,
            ..Renewing::of(self, folder)
        };
        let thread = thread::Builder::new().name("certificate".to_owned());
        let started = thread.spawn(move || renewing.run());
        started.map(drop).map_err(refused("a thread for certificates"))
    }
}

impl Renewing {
    /// Nobody is told.
    pub(super) fn of(certified: Certified, folder: Folder) -> Self {
        Self {
            certified,
            folder,
            reader: None,
        }
    }

    fn run(mut self) {
        let quiet = block_signals().map_err(refused("signals cannot be blocked"));
        let quiet = quiet.and_then(|_| Ok(keep_only(CapabilitySet::IPC_LOCK | CapabilitySet::KILL)?));
        if let Err(failure) = quiet {
            return tell(&format_args!("certificates are not renewed: {}", failure.cause));
        }
        let mut told = None;
        loop {
            thread::sleep(LOOK.min(self.certified.maker.lifetime / 4));
            let Some(renewed) = self.look(self.certified.maker.time.now()) else {
                continue;
            };
            let cause = renewed.err().map(|failure| failure.cause);
            if let Some(cause) = cause.as_ref().filter(|cause| told.as_ref() != Some(*cause)) {
                tell(&format_args!(
                    "the certificate cannot be renewed, and is tried again: {cause}"
                ));
            }
            told = cause;
        }
    }

    /// Renews it if it is time.
    pub(super) fn look(&mut self, now: Duration) -> Option<Result<(), Failure>> {
        (now >= self.certified.current.half).then(|| self.renew())
    }

    fn renew(&mut self) -> Result<(), Failure> {
        let next = self.certified.maker.issue()?;
        let replaced = self.folder.replace_certificate(&next.certificate);
        replaced.map_err(refused("its file cannot be replaced"))?;
        self.certified.current = next;
        if let Some((process, signal)) = &self.reader {
            // When it has ended there is nobody to tell.
            let _ = pidfd_send_signal(process, *signal);
        }
        Ok(())
    }
}

fn refused<E: std::fmt::Display>(tried: &str) -> impl FnOnce(E) -> Failure {
    Failure::because(Exit::Confinement, tried)
}
