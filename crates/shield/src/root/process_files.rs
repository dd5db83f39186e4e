//! /proc of the new PID namespace.

use std::os::fd::{AsFd, OwnedFd};

use casemate_sys::AttachedFlags;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};
use rustix::mount::{fsconfig_create, fsmount, fsopen, open_tree};

use super::{attach, confinement, restrict};
use crate::failure::Failure;

/// What changes the whole machine, and what a workload with uid 0 could write even without capabilities.
const MACHINE_WIDE: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// A new proc file system, mounted nowhere; to be made while the host's /proc is still visible,
/// without which the kernel gives users none.
pub fn new() -> Result<OwnedFd, Failure> {
    let quiet =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mount = || {
        let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(context.as_fd())?;
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, quiet)
    };
    mount().map_err(confinement("/proc cannot be made"))
}

/// Makes the machine-wide parts of /proc read-only.
pub fn protect() -> Result<(), Failure> {
    for path in MACHINE_WIDE {
        let part = match open_tree(
            CWD,
            path,
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
        ) {
            Ok(part) => part,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(confinement("a part of /proc cannot be protected")(error)),
        };
        restrict(
            &part,
            AttachedFlags {
                read_only: true,
                no_set_id: true,
                no_devices: true,
                no_execute: true,
            },
        )?;
        attach(&part, path)?;
    }
    Ok(())
}
