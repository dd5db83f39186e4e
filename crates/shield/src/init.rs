//! PID 1 of the workload's namespace: builds the private root, starts the workload, reaps, forwards signals,
//! and ends with the workload's status. It is forked before the supervisor knows any secret.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use casemate_sys::{Fork, SignalDescriptor, fork, send_signal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, fchown};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Pid, Signal, Uid, WaitOptions, WaitStatus, set_parent_process_death_signal, setsid, wait};
use rustix::thread::CapabilitySet;

use crate::bundle::Bundle;
use crate::failure::{Exit, Failure};
use crate::handover::{Report, Start};
use crate::health::check::Checker;
use crate::namespaces::{self, Privilege};
use crate::output;
use crate::root::PrivateRoot;
use crate::seccomp::Filters;
use crate::workload::{Confinement, Descriptors, Task, become_task};
use casemate_custodian_client::clock;
use casemate_hardening::{keep_only, stay_out_of_swap};

/// What a signal's number is added to in an exit status, as shells do.
pub const SIGNALLED: i32 = 128;
/// Name of the machine that the workload sees: the host's is neither measured nor its business.
const HOST_NAME: &[u8] = b"casemate";

/// What the processes in the domain can ask of the supervisor, or it of them.
#[derive(Debug, Default)]
pub struct Ways {
    /// A custodian's channel to its platform.
    pub platform: Option<OwnedFd>,
    /// Asks for health checks.
    pub checks: Option<UnixStream>,
    /// Lead to the supervisor, which seals what the workload writes; unused where the release says nothing of it.
    pub output: Option<output::Ends>,
}

/// Runs as PID 1 until the workload ends. `channel` leads to the supervisor.
pub fn run(bundle: &Bundle, privilege: Privilege, mut channel: UnixStream, ways: Ways) -> ! {
    let status = match start(bundle, privilege, &mut channel, ways) {
        Ok(Some((workload, signals))) => supervise(workload, &signals, &channel),
        Ok(None) => Exit::Confinement as i32,
        Err(failure) => {
            let status = failure.exit as i32;
            // When the supervisor is gone there is nobody to tell.
            let _ = Report::Failed(failure).send(&mut channel);
            status
        }
    };
    // Ends every other process of the namespace as well.
    std::process::exit(status)
}

type Running = (Pid, SignalDescriptor);

/// Everything up to the workload's exec; `None` when the supervisor ended first.
fn start(
    bundle: &Bundle,
    privilege: Privilege,
    channel: &mut UnixStream,
    ways: Ways,
) -> Result<Option<Running>, Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(refused("prctl(PR_SET_PDEATHSIG)"))?;
    // A key on the terminal reaches the supervisor, which passes it on; it must not come here a second time.
    setsid().map_err(refused("setsid"))?;
    // What is kept in memory from here on is the workload's configuration.
    let _ = stay_out_of_swap();
    rustix::process::umask(Mode::empty());
    namespaces::separate(privilege)?;
    rustix::system::sethostname(HOST_NAME).map_err(refused("sethostname"))?;
    let mut root = PrivateRoot::enter(&bundle.manifest, &bundle.sources, &bundle.mounts)?;
    let filters = Filters::compile()?;
    Report::Built(clock::monotonic())
        .send(channel)
        .map_err(refused("the supervisor is gone"))?;
    // Nothing of them stays here: where the supervisor is gone, whoever waits for a mount hears of it.
    let sent = root.take_devices().send(channel);
    sent.map_err(refused("the supervisor is gone"))?;
    let Some(mut start) = Start::receive(channel).map_err(refused("the supervisor is gone"))? else {
        return Ok(None);
    };
    let owner = (privilege == Privilege::Full).then_some((start.uid, start.gid));
    root.finish(&start.files, start.certificate.as_ref(), owner, privilege)?;
    let working_directory = bundle.manifest.working_directory.as_str();
    let confinement = Confinement {
        working_directory,
        filters: &filters,
        privilege,
        uid: start.uid,
        gid: start.gid,
        capabilities: bundle.manifest.capabilities.iter().map(|kept| kept.set()).collect(),
    };
    let signals = SignalDescriptor::open().map_err(refused("signalfd"))?;
    let descriptors = Descriptors {
        platform: ways.platform,
        output: sealed_output(&start, ways.output, owner)?,
    };
    let workload = launch(Task::Workload(&start, descriptors), &confinement)?;
    let environment = std::mem::take(&mut start.environment);
    start.wipe();
    if let (Some(check), Some(channel)) = (&bundle.manifest.health, ways.checks) {
        // Only its own copy of the environment lives on.
        launch(
            Task::Checks(&mut Checker::new(check, environment, channel)?),
            &confinement,
        )?;
    }
    Report::Executed(clock::monotonic())
        .send(channel)
        .map_err(refused("the supervisor is gone"))?;
    keep_only(CapabilitySet::KILL | CapabilitySet::IPC_LOCK)?;
    Ok(Some((workload, signals)))
}

/// Where the workload writes to, if what it writes is sealed. It may open its own output by name (/dev/stdout), so the
/// pipes are its user's.
fn sealed_output(
    start: &Start,
    ends: Option<output::Ends>,
    owner: Option<(u32, u32)>,
) -> Result<Option<output::Ends>, Failure> {
    if !start.sealed_output {
        return Ok(None);
    }
    let ends = ends.ok_or_else(|| Failure::new(Exit::Confinement, "no pipes for sealed output"))?;
    if let Some((uid, gid)) = owner {
        for end in &ends {
            fchown(end, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(refused("fchown"))?;
        }
    }
    Ok(Some(ends))
}

/// Forks a process for the task and waits until it is at work.
fn launch(task: Task<'_>, confinement: &Confinement<'_>) -> Result<Pid, Failure> {
    let (status, reporter) = pipe_with(PipeFlags::CLOEXEC).map_err(refused("pipe"))?;
    match fork().map_err(refused("fork"))? {
        Fork::Child => {
            drop(status);
            become_task(task, confinement, reporter)
        }
        Fork::Parent(workload) => {
            drop(reporter);
            match Report::receive(&mut File::from(status)).map_err(refused("the workload's start"))? {
                None => Ok(workload),
                Some(Report::Failed(failure)) => Err(failure),
                Some(_) => Err(Failure::new(
                    Exit::Confinement,
                    "the workload's start reported nonsense",
                )),
            }
        }
    }
}

/// Reaps and forwards until the workload ends; its exit status.
fn supervise(workload: Pid, signals: &SignalDescriptor, channel: &UnixStream) -> i32 {
    loop {
        while let Ok(Some(signal)) = signals.next() {
            if signal != libc::SIGCHLD {
                // It may just have ended: then its status comes next.
                let _ = send_signal(workload, signal);
            }
        }
        if let Some(status) = reap(workload) {
            return status;
        }
        let mut waiting = [
            PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN),
        ];
        let outcome = poll(&mut waiting, None);
        // The supervisor never writes again: a readable channel is one whose other end is gone.
        if !waiting[1].revents().is_empty() && has_ended(channel) || !matches!(outcome, Ok(_) | Err(Errno::INTR)) {
            return Exit::Confinement as i32;
        }
    }
}

fn has_ended(mut channel: &UnixStream) -> bool {
    !matches!(channel.read(&mut [0]), Ok(1..))
}

/// Collects every child that ended; the status of the workload if it is among them.
fn reap(workload: Pid) -> Option<i32> {
    let mut status = None;
    while let Ok(Some((pid, ended))) = wait(WaitOptions::NOHANG) {
        if pid == workload {
            status = Some(exit_status(ended));
        }
    }
    status
}

/// The exit status that says how a process ended, as shells do.
#[must_use]
pub fn exit_status(ended: WaitStatus) -> i32 {
    ended
        .exit_status()
        .or_else(|| ended.terminating_signal().map(|signal| SIGNALLED + signal))
        .unwrap_or(SIGNALLED)
}

fn refused<E: std::fmt::Display>(tried: &str) -> impl FnOnce(E) -> Failure {
    Failure::because(Exit::Confinement, tried)
}
