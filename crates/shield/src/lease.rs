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
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, clock_nanosleep_absolute};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::bundle::Bundle;
use crate::failure::{Exit, Failure};
use crate::hardening::keep_only;
use crate::measured::Measured;
use crate::release::Granted;
use crate::term::Term;
use crate::{clock, release};

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
pub fn attest_and_renew<P>(mut platform: Measured<P>, bundle: Arc<Bundle>) -> Result<(Granted, Watch), Failure>
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
        let obtained = quiet().and_then(|()| release::obtain(&mut platform, &bundle));
        // Nobody asks it again: a workload's domain is attested once.
        drop(platform);
        let begun = obtained.and_then(|(granted, lease)| {
            let renewer = Renewer::new(asked, lease, timer, end, teller)?;
            Ok((granted, renewer))
        });
        // The other side waits for exactly this.
        let _ = match begun {
            Ok((granted, renewer)) => sender.send(Ok(granted)).map(|()| renewer.run()),
            Err(failure) => sender.send(Err(failure)),
        };
    };
    thread::Builder::new()
        .name("lease".to_owned())
        .spawn(work)
        .map_err(refused("a thread for the lease"))?;
    let granted = receiver.recv().map_err(refused("the thread that attests ended"))??;
    Ok((granted, watch))
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
    /// One of them is readable when there may be a [`Self::verdict`].
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.timer.as_fd(), self.refusal.as_fd()]
    }

    /// Why the workload must stop now, if it must.
    #[must_use]
    pub fn verdict(&self) -> Option<Failure> {
        if self.was_refused() {
            return Some(Failure::new(Exit::LeaseRevoked, self.read_refusal()));
        }
        let over = clock::since_boot() >= Duration::from_millis(self.end.load(Ordering::SeqCst));
        over.then(|| Failure::new(Exit::LeaseEnded, "the lease ended and no custodian renewed it"))
    }

    fn was_refused(&self) -> bool {
        let now = clock::timespec(Duration::ZERO);
        let mut refusal = [PollFd::new(&self.refusal, PollFlags::IN)];
        // What cannot be asked counts as refused.
        !matches!(poll(&mut refusal, Some(&now)), Ok(0))
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
    term: Term,
    timer: Arc<OwnedFd>,
    end: Arc<AtomicU64>,
    teller: UnixStream,
}

impl Renewer {
    fn new(
        asked: Duration,
        lease: Lease,
        timer: Arc<OwnedFd>,
        end: Arc<AtomicU64>,
        teller: UnixStream,
    ) -> Result<Self, Failure> {
        let term = Term::new(asked, length(&lease));
        let renewer = Self {
            lease,
            term,
            timer,
            end,
            teller,
        };
        renewer.publish().map_err(refused("the lease cannot be watched"))?;
        Ok(renewer)
    }

    fn run(mut self) {
        loop {
            sleep_until(self.term.next_try(clock::since_boot()));
            self.term.asked(clock::since_boot());
            match self.lease.renew() {
                Ok(()) => self.term.granted(length(&self.lease)),
                Err(error) if is_final(&error) => return self.tell(&error.to_string()),
                Err(_) => self.term.failed(clock::since_boot()),
            }
            if self.publish().is_err() {
                return self.tell("its end cannot be watched any more");
            }
        }
    }

    /// Tells the supervisor when the lease ends.
    fn publish(&self) -> Result<(), Errno> {
        let end = self.term.end();
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

fn length(lease: &Lease) -> Duration {
    Duration::from_secs(lease.seconds())
}

/// Whether trying again is pointless: a signed answer about this very lease. Anything else may pass before the lease ends.
fn is_final(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if code.starts_with("lease."))
}

fn sleep_until(time: Duration) {
    while let Err(Errno::INTR) = clock_nanosleep_absolute(ClockId::Boottime, &clock::timespec(time)) {}
}
