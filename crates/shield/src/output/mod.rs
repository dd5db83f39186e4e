//! Sealed output: what the workload writes leaves the domain as lines that only the owner's key opens
//! (spec/output-format.md).
//!
//! The pipes are made before PID 1 is forked, since only the release says whether they are used. Their ends in the domain
//! become the workload's standard output and error; a thread of the supervisor seals what comes out of the others.

mod seal;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use casemate_hardening::keep_only;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::stdout;
use rustix::thread::CapabilitySet;
use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::tell;
pub use seal::Service;
use seal::{CONTENT, Kind, NotSealed, Sealer};

/// How often it is looked whether the host still takes the last lines. Container engines lose patience after 10 s.
const LAST_LINES: Duration = Duration::from_secs(3);
/// Before a line is tried again for which the host had no room.
const NO_ROOM: Duration = Duration::from_millis(100);
/// What each end is read as.
const KINDS: [Kind; 2] = [Kind::Output, Kind::Error];

/// Two ends of two pipes: the workload's standard output, and its standard error.
pub type Ends = [OwnedFd; 2];

/// The supervisor's ends, and those for the workload.
///
/// # Errors
/// Those of pipe2(2).
pub fn pipes() -> Result<(Ends, Ends), Failure> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(Failure::because(Exit::Confinement, "pipe"));
    let ((output, workload_output), (error, workload_error)) = (pipe()?, pipe()?);
    Ok(([output, error], [workload_output, workload_error]))
}

/// What a release gives to seal output with.
pub struct Granted {
    /// The secret's bytes.
    pub key: Zeroizing<[u8; 32]>,
    /// Whose output it is.
    pub service: Service,
    /// The custodian's decision that released it.
    pub decision: String,
    /// `sha256:…` of the launch manifest.
    pub manifest: String,
}

/// A stream that a thread seals.
#[derive(Debug)]
pub struct Sealing {
    status: Sender<u8>,
    finished: Receiver<Never>,
    taken: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Never {}

impl Sealing {
    /// Seals what comes out of `ends`, on a thread of its own. Signals must be blocked.
    ///
    /// # Errors
    /// [`Exit::Confinement`] without a thread or a key.
    pub fn start(granted: &Granted, ends: Ends) -> Result<Self, Failure> {
        let sealer = Sealer::new(&granted.key, &granted.service);
        let sealer = sealer.map_err(Failure::because(Exit::Confinement, "a stream"))?;
        let about = json!({"decision": granted.decision, "manifest": granted.manifest}).to_string();
        let (status, last) = channel();
        let (working, finished) = sync_channel(0);
        let taken = Arc::new(AtomicU64::new(0));
        let lines = Lines {
            sealer,
            taken: Arc::clone(&taken),
        };
        let work = move || {
            // What is not taken is not read either: the workload's next write fails.
            if let Err(why) = lines.seal_all(&about, ends, &last) {
                tell(&format_args!("the sealed output is cut off here: {why}"));
            }
            drop(working);
        };
        let thread = thread::Builder::new().name("output".to_owned());
        thread
            .spawn(work)
            .map_err(Failure::because(Exit::Confinement, "a thread for sealed output"))?;
        Ok(Self {
            status,
            finished,
            taken,
        })
    }

    /// Waits for what the workload wrote last, and says with which `status` all of it ends.
    pub fn end(self, status: u8) {
        // Where it ended already, it said why.
        let _ = self.status.send(status);
        let mut before = None;
        while let Err(RecvTimeoutError::Timeout) = self.finished.recv_timeout(LAST_LINES) {
            let taken = self.taken.load(Ordering::Relaxed);
            if before.replace(taken) == Some(taken) {
                tell(&"the sealed output is cut off here: nobody takes it");
                return;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Cipher(#[from] NotSealed),
    #[error("standard output: {0}")]
    Host(#[from] Errno),
    #[error(transparent)]
    Refused(#[from] casemate_hardening::Refused),
}

/// Lines of one stream, written to the host.
struct Lines {
    sealer: Sealer,
    taken: Arc<AtomicU64>,
}

impl Lines {
    /// The whole stream; without an end where no status comes.
    fn seal_all(mut self, about: &str, ends: Ends, status: &Receiver<u8>) -> Result<(), Stopped> {
        keep_only(CapabilitySet::IPC_LOCK)?;
        self.put(Kind::Start, about.as_bytes())?;
        self.pass_on(ends)?;
        match status.recv() {
            Ok(status) => self.put(Kind::End, json!({"status": status}).to_string().as_bytes()),
            Err(_) => Ok(()),
        }
    }

    /// Until every process of the domain closed its ends.
    fn pass_on(&mut self, ends: Ends) -> Result<(), Stopped> {
        let mut content = Zeroizing::new(vec![0; CONTENT]);
        let mut open: Vec<(OwnedFd, Kind)> = ends.into_iter().zip(KINDS).collect();
        while !open.is_empty() {
            let mut closed = Vec::new();
            for index in readable(&open)? {
                let (end, kind) = &open[index];
                match read(end, content.as_mut_slice()) {
                    Ok(0) => closed.push(*kind),
                    Ok(count) => self.put(*kind, &content[..count])?,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            open.retain(|(_, kind)| !closed.contains(kind));
        }
        Ok(())
    }

    fn put(&mut self, kind: Kind, content: &[u8]) -> Result<(), Stopped> {
        let line = self.sealer.line(kind, content)?;
        let mut left = line.as_slice();
        while !left.is_empty() {
            match write(stdout(), left) {
                Ok(count) => left = &left[count..],
                Err(Errno::INTR) => {}
                // Whoever else has the host's terminal or pipe may have set it not to wait.
                Err(Errno::AGAIN) => {
                    // Interrupted or not: writing shows.
                    let _ = poll(&mut [PollFd::from_borrowed_fd(stdout(), PollFlags::OUT)], None);
                }
                // A log on a full disk: the workload waits, nothing is lost.
                Err(Errno::NOSPC | Errno::DQUOT) => thread::sleep(NO_ROOM),
                Err(error) => return Err(error.into()),
            }
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Waits until there is something to read; where.
fn readable(open: &[(OwnedFd, Kind)]) -> Result<Vec<usize>, Errno> {
    let mut waiting: Vec<_> = open.iter().map(|(end, _)| PollFd::new(end, PollFlags::IN)).collect();
    match poll(&mut waiting, None) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let ready = |index: &usize| !waiting[*index].revents().is_empty();
    Ok((0..open.len()).filter(ready).collect())
}
