//! Sealed output: what the workload writes leaves the domain as lines that only the owner's key opens
//! (spec/output-format.md).
//!
//! The pipes are made before PID 1 is forked, since only the release says whether they are used. Their ends in the domain
//! become the workload's standard output and error; a thread of the supervisor seals what comes out of the others.

mod seal;

use std::os::fd::OwnedFd;
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

/// How long the last lines may take to be taken.
const LAST_LINES: Duration = Duration::from_secs(10);
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
        let work = move || {
            // What is not taken is not read either: the workload's next write fails.
            if let Err(why) = seal_all(sealer, &about, ends, &last) {
                tell(&format_args!("the sealed output is cut off here: {why}"));
            }
            drop(working);
        };
        let thread = thread::Builder::new().name("output".to_owned());
        thread
            .spawn(work)
            .map_err(Failure::because(Exit::Confinement, "a thread for sealed output"))?;
        Ok(Self { status, finished })
    }

    /// Waits for what the workload wrote last, and says with which `status` all of it ends.
    pub fn end(self, status: u8) {
        // Where it ended already, it said why.
        let _ = self.status.send(status);
        if let Err(RecvTimeoutError::Timeout) = self.finished.recv_timeout(LAST_LINES) {
            tell(&"the sealed output is cut off here: nobody takes it");
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

/// The whole stream; without an end where no status comes.
fn seal_all(mut sealer: Sealer, about: &str, ends: Ends, status: &Receiver<u8>) -> Result<(), Stopped> {
    keep_only(CapabilitySet::IPC_LOCK)?;
    put(&mut sealer, Kind::Start, about.as_bytes())?;
    pass_on(ends, &mut sealer)?;
    match status.recv() {
        Ok(status) => put(&mut sealer, Kind::End, json!({"status": status}).to_string().as_bytes()),
        Err(_) => Ok(()),
    }
}

/// Until every process of the domain closed its ends.
fn pass_on(ends: Ends, sealer: &mut Sealer) -> Result<(), Stopped> {
    let mut content = Zeroizing::new(vec![0; CONTENT]);
    let mut open: Vec<(OwnedFd, Kind)> = ends.into_iter().zip(KINDS).collect();
    while !open.is_empty() {
        for index in readable(&open)? {
            let (end, kind) = &open[index];
            match read(end, content.as_mut_slice()) {
                Ok(0) => drop(open.remove(index)),
                Ok(count) => put(sealer, *kind, &content[..count])?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Waits until there is something to read; where, the last first.
fn readable(open: &[(OwnedFd, Kind)]) -> Result<Vec<usize>, Errno> {
    let mut waiting: Vec<_> = open.iter().map(|(end, _)| PollFd::new(end, PollFlags::IN)).collect();
    match poll(&mut waiting, None) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let ready = |index: &usize| !waiting[*index].revents().is_empty();
    Ok((0..open.len()).rev().filter(ready).collect())
}

/// Writes a line. A terminal or pipe of the host may be set not to wait, by whoever else has it.
fn put(sealer: &mut Sealer, kind: Kind, content: &[u8]) -> Result<(), Stopped> {
    let line = sealer.line(kind, content)?;
    let mut left = line.as_slice();
    while !left.is_empty() {
        match write(stdout(), left) {
            Ok(count) => left = &left[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                // Interrupted or not: writing shows.
                let _ = poll(&mut [PollFd::from_borrowed_fd(stdout(), PollFlags::OUT)], None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
