//! The last steps before the workload: everything that it may not do is given up, in an order that leaves no way back.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use casemate_sys::stay_among_own_processes;
use casemate_sys::{close_on_exec_from, execute, place_descriptor, reset_personality, reset_signals};
use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::stdio::stdin;
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::failure::{Exit, Failure};
use crate::handover::{Report, Start};
use crate::health::check::Checker;
use crate::namespaces::{Privilege, rename_user};
use crate::output;
use crate::seccomp::Filters;
use casemate_hardening::keep_only;

/// Number of the platform channel's descriptor in a custodian.
const PLATFORM_CHANNEL: i32 = 3;
/// Where descriptors that are needed up to exec keep out of the way of those that stay.
const ASIDE: i32 = 16;
/// Usual mask of new files' permissions.
const FILE_MASK: u32 = 0o022;

/// What stays the same for every start.
pub struct Confinement<'a> {
    /// Where the workload starts.
    pub working_directory: &'a str,
    /// Compiled system call filters.
    pub filters: &'a Filters,
    /// How namespaces were made.
    pub privilege: Privilege,
    /// Whom it runs as.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// What a workload of uid 0 keeps.
    pub capabilities: CapabilitySet,
}

/// What a workload finds open besides 0, 1 and 2 as they were.
#[derive(Debug)]
pub struct Descriptors {
    /// A custodian's channel to its platform.
    pub platform: Option<OwnedFd>,
    /// Instead of 1 and 2, where what it writes is sealed.
    pub output: Option<output::Ends>,
}

/// What a confined process goes on to be.
pub enum Task<'a> {
    /// The workload, with the descriptors that it gets.
    Workload(&'a Start, Descriptors),
    /// The one that runs its health check.
    Checks(&'a mut Checker),
}

/// Becomes the task. If that fails, the reason goes to `status`; that closes without a word when it worked.
pub fn become_task(task: Task<'_>, confinement: &Confinement<'_>, status: OwnedFd) -> ! {
    let failure = match rustix::io::fcntl_dupfd_cloexec(&status, ASIDE) {
        Ok(aside) => {
            drop(status);
            let failure = try_to(task, confinement);
            (failure, aside)
        }
        Err(error) => (
            Failure::because(Exit::Confinement, "descriptors run out")(error),
            status,
        ),
    };
    let (failure, status) = failure;
    let code = failure.exit as i32;
    // Nobody left to tell when this fails; the exit status still says what kind it was.
    let _ = Report::Failed(failure)
        .send(&mut File::from(status))
        .and_then(|()| std::io::stderr().flush());
    std::process::exit(code)
}

fn try_to(task: Task<'_>, confinement: &Confinement<'_>) -> Failure {
    let confined = own_session()
        .and_then(|()| reset_signals().map_err(refused("signals cannot be reset")))
        .and_then(|()| reset_personality().map_err(refused("personality")))
        .and_then(|()| give_up_privileges(confinement))
        .and_then(|()| cut_off())
        .and_then(|()| enter(confinement.working_directory))
        .and_then(|()| confinement.filters.install());
    match (confined, task) {
        (Err(failure), _) => failure,
        (Ok(()), Task::Workload(start, descriptors)) => match only_descriptors(descriptors) {
            Err(failure) => failure,
            Ok(()) => run(start),
        },
        (Ok(()), Task::Checks(checker)) => checker.serve(),
    }
}

fn run(start: &Start) -> Failure {
    let Some(program) = start.arguments.first() else {
        return Failure::new(Exit::Bundle, "the entry point is empty");
    };
    let error = execute(program, &start.arguments, &start.environment);
    let exit = if error.raw_os_error() == Some(libc::ENOENT) {
        Exit::NotFound
    } else {
        Exit::NotExecutable
    };
    Failure::new(
        exit,
        format!("{} cannot be started: {error}", program.to_string_lossy()),
    )
}

/// A session of its own: a key on a terminal reaches the supervisor, which forwards it once, and the workload
/// cannot type into the terminal of whoever started it.
fn own_session() -> Result<(), Failure> {
    rustix::process::setsid().map(drop).map_err(refused("setsid"))
}

fn give_up_privileges(confinement: &Confinement<'_>) -> Result<(), Failure> {
    let &Confinement { uid, gid, .. } = confinement;
    match confinement.privilege {
        Privilege::Full => {
            set_thread_groups(&[]).map_err(refused("setgroups"))?;
            let gid = Gid::from_raw(gid);
            set_thread_res_gid(gid, gid, gid).map_err(refused("setresgid"))?;
        }
        Privilege::OneUser { .. } if (uid, gid) != (0, 0) => rename_user(uid, gid)?,
        Privilege::OneUser { .. } => {}
    }
    let kept = match uid {
        0 => confinement.capabilities,
        _ => CapabilitySet::empty(),
    };
    bound(kept)?;
    if confinement.privilege == Privilege::Full {
        let uid = Uid::from_raw(uid);
        set_thread_res_uid(uid, uid, uid).map_err(refused("setresuid"))?;
    }
    // Ambient ones go with the inheritable ones (capabilities(7)).
    Ok(keep_only(kept)?)
}

/// Takes all but these out of the bounding set, so that not even uid 0 gains one of the others by exec.
fn bound(kept: CapabilitySet) -> Result<(), Failure> {
    let all = (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit));
    for capability in all.filter(|capability| !kept.contains(*capability)) {
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel knows no more of them.
            Err(Errno::INVAL) => return Ok(()),
            Err(error) => return Err(refused("capability bounding set")(error)),
        }
    }
    Ok(())
}

/// The network is the host's, and abstract sockets of its services with it: no way to those. Kernels before 6.12 cannot
/// (LIMITATIONS.md), and nothing else that confines rests on it.
fn cut_off() -> Result<(), Failure> {
    stay_among_own_processes().map_err(refused("landlock"))
}

fn enter(folder: &str) -> Result<(), Failure> {
    rustix::process::umask(Mode::from_raw_mode(FILE_MASK));
    rustix::process::chdir(folder).map_err(|error| {
        Failure::new(
            Exit::Confinement,
            format!("working directory {folder} cannot be entered: {error}"),
        )
    })
}

/// Leaves 0, 1, 2 and the platform channel, if there is one.
fn only_descriptors(descriptors: Descriptors) -> Result<(), Failure> {
    let Descriptors { platform, output } = descriptors;
    if let Some(ends) = output {
        seal_output(ends)?;
    }
    let kept = u32::from(platform.is_some());
    if let Some(channel) = platform {
        place_descriptor(channel, PLATFORM_CHANNEL).map_err(refused("the platform channel"))?;
    }
    close_on_exec_from(3 + kept).map_err(refused("close_range"))
}

/// Puts the pipes where the workload writes. Its input stays if it can only be read, and is no terminal: one of those
/// may become the controlling one, and a way out.
fn seal_output(ends: output::Ends) -> Result<(), Failure> {
    let mode = fcntl_getfl(stdin()).map_err(refused("standard input"))? & OFlags::RWMODE;
    let kind = FileType::from_raw_mode(fstat(stdin()).map_err(refused("standard input"))?.st_mode);
    if mode != OFlags::RDONLY || !matches!(kind, FileType::RegularFile | FileType::Fifo) {
        let nothing = File::open("/dev/null").map_err(refused("/dev/null"))?;
        place_descriptor(nothing.into(), 0).map_err(refused("standard input"))?;
    }
    for (end, number) in ends.into_iter().zip([1, 2]) {
        place_descriptor(end, number).map_err(refused("sealed output"))?;
    }
    Ok(())
}

fn refused<E: std::fmt::Display>(tried: &str) -> impl FnOnce(E) -> Failure {
    Failure::because(Exit::Confinement, tried)
}
