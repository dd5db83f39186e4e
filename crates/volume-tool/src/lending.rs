//! The lease of a volume that a custodian lent: renewed as long as this process lives, and the end of it when it ends.
//!
//! Nothing may be acknowledged once another writer may have the volume, and a thread that waits for the host or the
//! custodian can be held up for ever. So the end of the lease is the end of the process: what was acknowledged is safe,
//! and what was not is as after a crash.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use casemate_custodian_client::{Custodian, Renewing, VolumeAnchor, clock, sleep_until};
use casemate_request::{ended, say};
use serde_json::json;

use crate::report::Failure;
use crate::request::Loan;

/// So long before its end a lease counts as over: to end takes time, too. A policy's shortest lease has ten times that.
const MARGIN: Duration = Duration::from_millis(500);

/// What is done before the process ends.
type Last = Box<dyn FnOnce(&Failure) + Send>;

/// What the end of a lease means.
#[derive(Default)]
struct Ending {
    /// Nothing: all that needed the lease is done.
    done: bool,
    last: Option<Last>,
}

/// A lease that is being renewed.
#[derive(Clone)]
pub struct Lease {
    end: Arc<AtomicU64>,
    ending: Arc<Mutex<Ending>>,
    anchor: VolumeAnchor,
}

/// Keeps the lease of `loan` from here on; the way to the volume's anchor under it.
pub fn keep(loan: &Loan) -> Result<(VolumeAnchor, Lease), Failure> {
    let custodian = Custodian::pinned(&loan.genesis, &loan.identity, &loan.addresses)?;
    let lease = custodian.lease(&loan.signing_seed.0, &loan.lease, loan.seconds)?;
    let anchor = lease.anchor(&loan.volume)?;
    let renewing = Renewing::new(lease, Duration::from_millis(loan.asked_ms));
    let kept = Lease {
        end: Arc::default(),
        ending: Arc::default(),
        anchor: anchor.clone(),
    };
    kept.publish(renewing.end());
    let (renewed, watched) = (kept.clone(), kept.clone());
    start("lease", move || {
        let why = renewing.run(|end| {
            renewed.publish(end);
            Ok::<(), std::convert::Infallible>(())
        });
        // Whoever is refused more time may still say that it needs none.
        renewed.over(&format!("the custodian takes the volume back: {why}"), true);
    })?;
    start("lease's end", move || watched.watch())?;
    Ok((anchor, kept))
}

/// Told once, when another writer's hold ends soon.
pub fn waiting(why: &str) {
    let line = json!({"trouble": {"code": "waiting", "message": format!("waiting for the writer before: {why}")}});
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Lease {
    /// `last` is done should it end early; instead of what was to be done before.
    pub fn at_the_end(&self, last: Last) {
        self.ending().last = Some(last);
    }

    /// All that needed it is done: its end means nothing any more. Does not return where the end came first.
    pub fn is_done(&self) {
        self.ending().done = true;
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, end: Duration) {
        let end = u64::try_from(end.saturating_sub(MARGIN).as_millis()).unwrap_or(u64::MAX);
        self.end.store(end, Ordering::SeqCst);
    }

    fn watch(&self) {
        loop {
            let end = Duration::from_millis(self.end.load(Ordering::SeqCst));
            if clock::since_boot() >= end {
                return self.over("the lease ended, and no custodian renewed it", false);
            }
            sleep_until(end);
        }
    }

    fn over(&self, why: &str, release: bool) {
        // Whoever comes second waits for the end of the process.
        let mut ending = self.ending();
        if ending.done {
            return;
        }
        let failure = Failure {
            code: "lease",
            message: format!("{why}; what was acknowledged is safe: mount again when the custodian allows it"),
        };
        if let Some(last) = ending.last.take() {
            last(&failure);
        }
        let said = ended(&Err(failure));
        say(&said);
        // Whoever started a mount has gone by now; this is its log.
        let _ = writeln!(std::io::stderr(), "{said}");
        if release {
            let _ = self.anchor.release();
        }
        std::process::exit(1);
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let started = thread::Builder::new().name(name.into()).spawn(work);
    started
        .map(drop)
        .map_err(|error| Failure::host("watch the lease", &error))
}
