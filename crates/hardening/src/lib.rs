//! What a process that holds secrets does first.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

/// What the kernel refused: the process must not go on to hold secrets.
#[derive(Debug, thiserror::Error)]
#[error("{tried}: {source}")]
pub struct Refused {
    tried: &'static str,
    source: std::io::Error,
}

/// What a core dump may hold of the memory of a process and of the programs that it becomes (core(5)): nothing. This is
/// what counts where the host takes dumps by a socket, which no limit keeps the kernel from.
const COREDUMP_FILTER: &str = "/proc/self/coredump_filter";
/// A limit that is too small for any core file, and at which the kernel starts no program of the host that would get
/// the dump through a pipe: it does so at 0, and takes 1 for the crash of such a program (fs/coredump.c).
const CORE_BYTES: u64 = 1;
/// What only the first user namespace maps (user_namespaces(7)): everybody, to themselves.
const EVERYBODY: [&str; 3] = ["0", "0", "4294967295"];

/// No core dumps, of this process or of the workload, and no other process of the same user may look in.
///
/// # Errors
/// What the kernel refuses.
pub fn hide() -> Result<(), Refused> {
    std::fs::write(COREDUMP_FILTER, "0").map_err(refused(COREDUMP_FILTER))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused("prctl(PR_SET_DUMPABLE)"))?;
    let limit = Rlimit {
        current: Some(CORE_BYTES),
        maximum: Some(CORE_BYTES),
    };
    // Whoever started this process may have set a hard limit of 0, which only privileges raise; the filter stays.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, limit)
        .or_else(|_| setrlimit(Resource::Core, none))
        .map_err(refused("setrlimit(RLIMIT_CORE)"))
}

/// Keeps this process's memory out of swap, now and later, page by page as it is used; false where it is not allowed.
///
/// Locks do not outlive fork or exec, so each process that holds secrets asks for itself. Without privileges the limit
/// (usually 8 MiB) is below what a manifest may need, and running into it would end the process: nothing is locked then.
/// A user namespace of one's own gives the capability and leaves the limit (mlock(2): the kernel asks the first one).
#[must_use]
pub fn stay_out_of_swap() -> bool {
    let may = rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    may && is_in_first_user_namespace()
        && mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
}

fn is_in_first_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.split_whitespace().eq(EVERYBODY))
}

/// Gives up every capability of this thread but `kept`, and every way to more.
///
/// # Errors
/// What the kernel refuses.
pub fn keep_only(kept: CapabilitySet) -> Result<(), Refused> {
    set_no_new_privs(true).map_err(refused("prctl(PR_SET_NO_NEW_PRIVS)"))?;
    let had = rustix::thread::capabilities(None).map_err(refused("capget"))?;
    let kept = kept & had.permitted;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(refused("capset"))
}

fn refused<E: Into<std::io::Error>>(tried: &'static str) -> impl FnOnce(E) -> Refused {
    move |error| Refused {
        tried,
        source: error.into(),
    }
}
