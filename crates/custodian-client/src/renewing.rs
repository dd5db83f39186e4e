use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::ClockId;

use crate::term::Term;
use crate::{Error, Lease, clock};

/// A lease that is renewed in time, as long as that makes sense.
#[derive(Debug)]
pub struct Renewing {
    lease: Lease,
    term: Term,
}

impl Renewing {
    /// Of a lease that was first asked for at `asked`, on [`clock::since_boot`].
    #[must_use]
    pub fn new(lease: Lease, asked: Duration) -> Self {
        let term = Term::new(asked, length(&lease));
        Self { lease, term }
    }

    /// When it is over unless renewed, on [`clock::since_boot`].
    #[must_use]
    pub fn end(&self) -> Duration {
        self.term.end()
    }

    /// Renews it, and tells `publish` its end after every try. Returns why no more can be done: the custodian said so,
    /// or `publish` failed. That the lease is over is for others to see: this may be waiting for an answer then.
    pub fn run<E: std::fmt::Display>(mut self, mut publish: impl FnMut(Duration) -> Result<(), E>) -> String {
        loop {
            sleep_until(self.term.next_try(clock::since_boot()));
            self.term.asked(clock::since_boot());
            match self.lease.renew() {
                Ok(()) => self.term.granted(length(&self.lease)),
                Err(error) if is_final(&error) => return error.to_string(),
                Err(_) => self.term.failed(clock::since_boot()),
            }
            if let Err(error) = publish(self.end()) {
                return format!("its end cannot be watched any more: {error}");
            }
        }
    }
}

fn length(lease: &Lease) -> Duration {
    Duration::from_secs(lease.seconds())
}

/// Whether trying again is pointless: a signed answer about this very lease. Anything else may pass before the lease ends.
fn is_final(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if code.starts_with("lease."))
}

/// Sleeps until a time of [`clock::since_boot`].
pub fn sleep_until(time: Duration) {
    while let Err(Errno::INTR) = clock_nanosleep_absolute(ClockId::Boottime, &clock::timespec(time)) {}
}
