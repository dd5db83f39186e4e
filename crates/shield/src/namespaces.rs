//! Namespaces of the workload, with privileges or without.

use casemate_sys::{Fork, UnshareFlags, fork_into, unshare};
use rustix::process::{DumpableBehavior, getegid, geteuid, set_dumpable_behavior};

use crate::failure::{Exit, Failure};

/// How the workload's namespaces were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// By a process that may; users are those of the system around it.
    Full,
    /// In a user namespace, where one user stands for everybody.
    OneUser {
        /// The user's number outside.
        uid: u32,
        /// The group's.
        gid: u32,
    },
}

/// Forks PID 1 of a new PID namespace; in a new user namespace if nothing else is allowed.
///
/// # Errors
/// [`Exit::Confinement`] when the kernel allows neither.
pub fn fork_init() -> Result<(Fork, Privilege), Failure> {
    if let Ok(forked) = fork_into(UnshareFlags::NEWPID) {
        return Ok((forked, Privilege::Full));
    }
    let one_user = Privilege::OneUser {
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
    };
    let forked = fork_into(UnshareFlags::NEWUSER | UnshareFlags::NEWPID);
    forked
        .map(|forked| (forked, one_user))
        .map_err(Failure::because(Exit::Confinement, "the kernel gives no namespaces"))
}

/// Makes the rest of the namespaces, for PID 1 itself.
///
/// Must come before this process knows a secret: without privileges it is dumpable for a moment, since
/// the kernel lets nobody else write the map of users.
///
/// # Errors
/// [`Exit::Confinement`].
pub fn separate(privilege: Privilege) -> Result<(), Failure> {
    if let Privilege::OneUser { uid, gid } = privilege {
        map_one_user((0, uid), (0, gid))?;
    }
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS)
        .map_err(Failure::because(Exit::Confinement, "the kernel gives no namespaces"))
}

/// Gives the one user of this namespace the number that the workload expects, in a namespace below.
///
/// # Errors
/// [`Exit::Confinement`].
pub fn rename_user(uid: u32, gid: u32) -> Result<(), Failure> {
    unshare(UnshareFlags::NEWUSER).map_err(Failure::because(
        Exit::Confinement,
        "the kernel gives no user namespace",
    ))?;
    map_one_user((uid, 0), (gid, 0))
}

/// Writes the maps of users and groups, each as (inside, outside).
fn map_one_user(user: (u32, u32), group: (u32, u32)) -> Result<(), Failure> {
    let dumpable = |behavior| {
        set_dumpable_behavior(behavior).map_err(Failure::because(Exit::Confinement, "prctl(PR_SET_DUMPABLE)"))
    };
    let write = |name: &str, text: String| {
        let path = format!("/proc/self/{name}");
        std::fs::write(&path, text).map_err(Failure::because(Exit::Confinement, &path))
    };
    dumpable(DumpableBehavior::Dumpable)?;
    write("uid_map", format!("{} {} 1", user.0, user.1))?;
    write("setgroups", "deny".to_owned())?;
    write("gid_map", format!("{} {} 1", group.0, group.1))?;
    dumpable(DumpableBehavior::NotDumpable)
}
