//! What a process that holds secrets does first.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use crate::failure::{Exit, Failure};

/// No core dumps, and no other process of the same user may look in.
///
/// # Errors
/// [`Exit::Confinement`].
pub fn hide() -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Failure::because(Exit::Confinement, "prctl(PR_SET_DUMPABLE)"))?;
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .map_err(Failure::because(Exit::Confinement, "setrlimit(RLIMIT_CORE)"))
}

/// Keeps this process's memory out of swap, now and later, page by page as it is used; false where it is not allowed.
///
/// Locks do not outlive fork or exec, so each process that holds secrets asks for itself. Without privileges the limit
/// (usually 8 MiB) is below what a manifest may need, and running into it would end the process: nothing is locked then.
#[must_use]
pub fn stay_out_of_swap() -> bool {
    let may = rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    may && mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
}

/// Gives up every capability of this thread but `kept`, and every way to more.
///
/// # Errors
/// [`Exit::Confinement`].
pub fn keep_only(kept: CapabilitySet) -> Result<(), Failure> {
    set_no_new_privs(true).map_err(Failure::because(Exit::Confinement, "prctl(PR_SET_NO_NEW_PRIVS)"))?;
    let had = rustix::thread::capabilities(None).map_err(Failure::because(Exit::Confinement, "capget"))?;
    let kept = kept & had.permitted;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(Failure::because(Exit::Confinement, "capset"))
}
