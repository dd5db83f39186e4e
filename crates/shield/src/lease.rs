//! Renewing the lease, and knowing when it is over.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use casemate_custodian_client::{Renewing, clock};
use casemate_evidence::Platform;
use casemate_sys::block_signals;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::bundle::Bundle;
use crate::failure::{Exit, Failure};
use crate::measured::Measured;
use crate::release;
use crate::release::Granted;
use casemate_hardening::keep_only;

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
pub fn attest_and_renew<P>(platform: Measured<P>, bundle: Arc<Bundle>) -> Result<(Granted, Watch), Failure>
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
    let teller = Teller {
        timer: Arc::clone(&watch.timer),
        end: Arc::clone(&watch.end),
        refusal: teller,
    };
    let (sender, receiver) = mpsc::sync_channel(1);
    let work = move || {
        let asked = clock::since_boot();
        let obtained = quiet().and_then(|()| release::obtain(platform, &bundle));
        let begun = obtained.and_then(|(granted, lease)| {
            let renewing = Renewing::new(lease, asked);
            let published = teller.publish(renewing.end());
            published.map_err(refused("the lease cannot be watched"))?;
            Ok((granted, renewing))
        });
        // The other side waits for exactly this.
        let _ = match begun {
            Ok((granted, renewing)) => sender.send(Ok(granted)).map(|()| teller.renew(renewing)),
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
    Ok(keep_only(CapabilitySet::IPC_LOCK)?)
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

/// Where the supervisor learns of the lease.
struct Teller {
    timer: Arc<OwnedFd>,
    end: Arc<AtomicU64>,
    refusal: UnixStream,
}

impl Teller {
    fn renew(self, renewing: Renewing) {
        let why = renewing.run(|end| self.publish(end));
        use std::io::Write;
        // Closing alone tells the supervisor already; the words are for people.
        let _ = (&self.refusal).write_all(why.as_bytes());
    }

    /// Tells the supervisor when the lease ends.
    fn publish(&self, end: Duration) -> Result<(), Errno> {
        self.end
            .store(u64::try_from(end.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let alarm = Itimerspec {
            it_interval: never,
            it_value: clock::timespec(end),
        };
        timerfd_settime(&*self.timer, TimerfdTimerFlags::ABSTIME, &alarm).map(drop)
    }
}
