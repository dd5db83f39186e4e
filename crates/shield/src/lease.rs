//! Renewing the lease, and knowing when it is over.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use casemate_custodian_client::{Error, Lease};
use casemate_evidence::Platform;
use casemate_sys::block_signals;
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, clock_nanosleep_absolute};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::bundle::Bundle;
use crate::failure::{Exit, Failure};
use crate::handover::Start;
use crate::hardening::keep_only;
use crate::measured::Measured;
use crate::{clock, release};

/// A renewal is tried when this part of the lease is over: two more tries fit in.
const RENEW_AFTER: u32 = 3;
/// Part of the lease to wait after a try that failed, and the longest such wait.
const RETRY_AFTER: u32 = 30;
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// Shortest wait between two tries: a lease of a few seconds must not flood the custodian.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// A lease that a thread renews. Its descriptors become readable when it is over.
#[derive(Debug)]
pub struct Watch {
    timer: Arc<OwnedFd>,
    end: Arc<AtomicU64>,
    refusal: UnixStream,
}

/// Attests on a thread of its own, which goes on to renew the lease: everything that belongs to the release
/// stays there, and only what the workload is started with comes back.
///
/// # Errors
/// Those of [`release::obtain`]; [`Exit::Confinement`] when the kernel gives no timer or thread.
pub fn attest_and_renew<P>(mut platform: Measured<P>, bundle: Arc<Bundle>) -> Result<(Start, Watch), Failure>
where
    P: Platform + Send + 'static,
{
    let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK);
    let timer = timer.map_err(refused("the lease cannot be watched"))?;
    let (refusal, teller) = UnixStream::pair().map_err(refused("the lease cannot be watched"))?;
    let watch = Watch {
        timer: Arc::new(timer),
        end: Arc::new(AtomicU64::new(0)),
        refusal,
    };
    let (timer, end) = (Arc::clone(&watch.timer), Arc::clone(&watch.end));
    let (sender, receiver) = mpsc::sync_channel(1);
    let work = move || {
        let asked = clock::since_boot();
        let (start, renewer) = match quiet().and_then(|()| release::obtain(&mut platform, &bundle)) {
            Ok((start, lease)) => (
                Ok(start),
                Some(Renewer {
                    lease,
                    timer,
                    end,
                    teller,
                }),
            ),
            Err(failure) => (Err(failure), None),
        };
        let extended = renewer.as_ref().map_or(Ok(()), |renewer| renewer.extend(asked));
        // The other side waits for exactly this.
        let sent = sender.send(extended.map_err(refused("the lease cannot be watched")).and(start));
        if let (Some(renewer), Ok(())) = (renewer, sent) {
            renewer.run(asked);
        }
    };
    thread::Builder::new()
        .name("lease".to_owned())
        .spawn(work)
        .map_err(refused("a thread for the lease"))?;
    let start = receiver.recv().map_err(refused("the thread that attests ended"))??;
    Ok((start, watch))
}

/// Signals are for the main thread, privileges for nobody here.
fn quiet() -> Result<(), Failure> {
    block_signals().map_err(refused("signals cannot be blocked"))?;
    keep_only(CapabilitySet::IPC_LOCK)
}

fn refused<E: std::fmt::Display>(tried: &str) -> impl FnOnce(E) -> Failure {
    Failure::because(Exit::Confinement, tried)
}

impl Watch {
    /// Readable when the lease may have ended.
    #[must_use]
    pub fn timer(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    /// Readable when the custodian refused to renew.
    #[must_use]
    pub fn refusal(&self) -> BorrowedFd<'_> {
        self.refusal.as_fd()
    }

    /// Why the workload must stop now, if it must.
    #[must_use]
    pub fn verdict(&self, refusal_is_there: bool) -> Option<Failure> {
        if refusal_is_there {
            return Some(Failure::new(Exit::LeaseRevoked, self.read_refusal()));
        }
        let over = clock::since_boot() >= Duration::from_millis(self.end.load(Ordering::SeqCst));
        over.then(|| Failure::new(Exit::LeaseEnded, "the lease ended and no custodian renewed it"))
    }

    /// Longest line that is read: what the custodian said is shown, not stored.
    fn read_refusal(&self) -> String {
        use std::io::Read;
        let mut said = Vec::new();
        // The teller closed its end, so this ends too; without words the verdict stands all the same.
        let _ = (&self.refusal).take(1024).read_to_end(&mut said);
        format!("the custodian revoked the lease: {}", String::from_utf8_lossy(&said))
    }
}

struct Renewer {
    lease: Lease,
    timer: Arc<OwnedFd>,
    end: Arc<AtomicU64>,
    teller: UnixStream,
}

impl Renewer {
    fn run(mut self, asked: Duration) {
        let mut next = asked + self.length() / RENEW_AFTER;
        loop {
            sleep_until(next.max(clock::since_boot() + SHORTEST_WAIT));
            let asked = clock::since_boot();
            match self.lease.renew() {
                Ok(()) if self.extend(asked).is_ok() => next = asked + self.length() / RENEW_AFTER,
                Err(error) if is_final(&error) => return self.tell(&error.to_string()),
                _ => next = clock::since_boot() + (self.length() / RETRY_AFTER).min(LONGEST_RETRY),
            }
        }
    }

    fn length(&self) -> Duration {
        Duration::from_secs(self.lease.seconds())
    }

    /// Counts the lease from the moment when it was asked for: never longer than the custodian thinks.
    fn extend(&self, asked: Duration) -> Result<(), Errno> {
        let end = asked + self.length();
        self.end
            .store(u64::try_from(end.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let alarm = Itimerspec {
            it_interval: never,
            it_value: clock::timespec(end),
        };
        timerfd_settime(&*self.timer, TimerfdTimerFlags::ABSTIME, &alarm).map(drop)
    }

    fn tell(self, why: &str) {
        use std::io::Write;
        // Closing alone tells the supervisor already; the words are for people.
        let _ = (&self.teller).write_all(why.as_bytes());
    }
}

/// Whether trying again is pointless: a signed answer about this very lease. Anything else may pass before the lease ends.
fn is_final(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if code.starts_with("lease."))
}

fn sleep_until(time: Duration) {
    while let Err(Errno::INTR) = clock_nanosleep_absolute(ClockId::Boottime, &clock::timespec(time)) {}
}
