//! The supervisor's side: listens in the container, and passes one question at a time on into the domain.

use std::fs::{Permissions, set_permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use casemate_custodian_client::clock;
use casemate_hardening::keep_only;
use casemate_sys::block_signals;
use rustix::thread::CapabilitySet;

use super::check::{ASK, HEALTHY, UNHEALTHY};
use super::{Health, SOCKET};
use crate::tell;

/// Anybody in the container may ask.
const MODE: u32 = 0o666;
/// How long an answer is given again, before the check runs anew: whoever asks all the time takes no processor away.
const PAUSE: Duration = Duration::from_secs(1);
/// What a check may take longer than its limit: to be killed, and to be told of.
const SLACK: Duration = Duration::from_secs(5);
/// How long nobody is taken after one could not be: descriptors may have run out.
const RECOVERY: Duration = Duration::from_millis(100);

/// Tells those who ask that there is a workload.
#[derive(Debug)]
pub struct Listening(Arc<AtomicBool>);

impl Listening {
    /// Listens on a thread of its own. `checker` leads to the process that checks, within `limit`.
    ///
    /// Where that cannot be, the workload runs all the same and is not called healthy.
    pub fn start(checker: UnixStream, limit: Duration) -> Self {
        let has_workload = Arc::new(AtomicBool::new(false));
        let known = Arc::clone(&has_workload);
        let started = open().and_then(|listener| {
            checker.set_read_timeout(Some(limit + SLACK))?;
            let work = move || serve(&listener, &mut Checks::new(checker), &known);
            thread::Builder::new().name("health".to_owned()).spawn(work)
        });
        if let Err(error) = started {
            tell(&format_args!("nobody can ask for the health check: {SOCKET}: {error}"));
        }
        Self(has_workload)
    }

    /// The workload runs.
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn open() -> io::Result<UnixListener> {
    let listener = UnixListener::bind(SOCKET)?;
    set_permissions(SOCKET, Permissions::from_mode(MODE))?;
    Ok(listener)
}

fn serve(listener: &UnixListener, checks: &mut Checks, has_workload: &AtomicBool) {
    // Signals are for the main thread, privileges for nobody here.
    if let Err(error) = block_signals().and_then(|()| keep_only(CapabilitySet::IPC_LOCK).map_err(io::Error::other)) {
        return tell(&format_args!("nobody can ask for the health check: {error}"));
    }
    for asking in listener.incoming() {
        let Ok(mut asking) = asking else {
            thread::sleep(RECOVERY);
            continue;
        };
        let health = match has_workload.load(Ordering::SeqCst) {
            true => checks.health(clock::since_boot()),
            false => Health::Starting,
        };
        // Nothing is read. Whoever left is not told.
        let _ = asking.write_all(health.word().as_bytes());
    }
}

/// The checks so far.
struct Checks {
    /// `None` once it cannot be trusted to answer the question that was asked.
    checker: Option<UnixStream>,
    last: Option<(Duration, Health)>,
}

impl Checks {
    fn new(checker: UnixStream) -> Self {
        Self {
            checker: Some(checker),
            last: None,
        }
    }

    fn health(&mut self, now: Duration) -> Health {
        match self.last {
            Some((checked, health)) if now < checked + PAUSE => health,
            _ => {
                let health = self.check();
                self.last = Some((clock::since_boot(), health));
                health
            }
        }
    }

    fn check(&mut self) -> Health {
        let Some(checker) = &mut self.checker else {
            return Health::Unhealthy;
        };
        match asked(checker) {
            Ok(health) => health,
            Err(error) => {
                self.checker = None;
                tell(&format_args!(
                    "the health check's process does not answer any more: {error}"
                ));
                Health::Unhealthy
            }
        }
    }
}

fn asked(checker: &mut UnixStream) -> io::Result<Health> {
    let mut answer = [0];
    checker.write_all(&[ASK])?;
    checker.read_exact(&mut answer)?;
    match answer {
        [HEALTHY] => Ok(Health::Healthy),
        [UNHEALTHY] => Ok(Health::Unhealthy),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> (Checks, UnixStream) {
        let (near, far) = UnixStream::pair().expect("pair");
        near.set_read_timeout(Some(Duration::from_millis(50))).expect("limit");
        (Checks::new(near), far)
    }

    /// Later than every pause.
    fn later() -> Duration {
        clock::since_boot() + 2 * PAUSE
    }

    #[test]
    fn a_check_says_what_its_process_says() {
        let (mut checks, mut checker) = checks();
        checker.write_all(&[HEALTHY, UNHEALTHY]).expect("answers");
        assert_eq!(checks.health(later()), Health::Healthy);
        assert_eq!(checks.health(later()), Health::Unhealthy);
        let mut asked = [0; 2];
        checker.read_exact(&mut asked).expect("questions");
        assert_eq!(asked, [ASK; 2]);
    }

    #[test]
    fn whoever_asks_again_at_once_hears_the_same_and_no_check_runs() {
        let (mut checks, mut checker) = checks();
        checker.write_all(&[HEALTHY]).expect("answer");
        assert_eq!(checks.health(clock::since_boot()), Health::Healthy);
        assert_eq!(checks.health(clock::since_boot()), Health::Healthy);
    }

    #[test]
    fn a_process_that_is_silent_gone_or_talks_nonsense_is_never_healthy_again() {
        for answer in [&[][..], &[ASK]] {
            let (mut checks, mut checker) = checks();
            checker.write_all(answer).expect("answer");
            assert_eq!(checks.health(later()), Health::Unhealthy);
            // The late answer to the question before.
            let _ = checker.write_all(&[HEALTHY]);
            assert_eq!(checks.health(later()), Health::Unhealthy);
        }
        let (mut checks, checker) = checks();
        drop(checker);
        assert_eq!(checks.health(later()), Health::Unhealthy);
    }
}
