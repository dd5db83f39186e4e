//! /proc of the new PID namespace, without what it tells and does beyond that namespace.

use std::os::fd::{AsFd, OwnedFd};

use casemate_sys::AttachedFlags;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, open};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};
use rustix::mount::{fsconfig_create, fsmount, fsopen, open_tree};

use super::{attach, confinement, memory, restrict};
use crate::failure::Failure;

/// What programs ask for besides processes (proc(5)). Everything else, of newer kernels too, is covered: a workload with
/// uid 0 could write some of it even without capabilities, and read pages, keys and addresses of the machine.
const SHOWN: [&str; 26] = [
    "cgroups",
    "cmdline",
    "cpuinfo",
    "crypto",
    "devices",
    "diskstats",
    "filesystems",
    "loadavg",
    "locks",
    "meminfo",
    "misc",
    "modules",
    "mounts",
    "net",
    "partitions",
    "pressure",
    "self",
    "softirqs",
    "stat",
    "swaps",
    "sys",
    "sysvipc",
    "thread-self",
    "uptime",
    "version",
    "vmstat",
];

/// Changes the whole machine; workloads read limits here.
const MACHINE_WIDE: &str = "/proc/sys";
/// What covers a file: reads as empty.
const EMPTY_FILE: &str = "/dev/null";
const EMPTY_FOLDER_MODE: u32 = 0o555;
const EMPTY_FOLDER_BYTES: u64 = 4096;

const SEALED: AttachedFlags = AttachedFlags {
    read_only: true,
    no_set_id: true,
    no_devices: true,
    no_execute: true,
};

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

/// Covers what is not shown and makes /proc/sys read-only. Needs /dev.
pub fn protect() -> Result<(), Failure> {
    let copy = copy_of(MACHINE_WIDE)?;
    restrict(&copy, SEALED)?;
    attach(&copy, MACHINE_WIDE)?;
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let unreadable = "/proc cannot be looked through";
    let listing = open("/proc", folder, Mode::empty())
        .and_then(Dir::read_from)
        .map_err(confinement(unreadable))?;
    for entry in listing {
        let entry = entry.map_err(confinement(unreadable))?;
        let name = entry.file_name().to_string_lossy();
        if !is_shown(&name) {
            cover(&format!("/proc/{name}"), entry.file_type())?;
        }
    }
    Ok(())
}

fn is_shown(name: &str) -> bool {
    matches!(name, "." | "..") || SHOWN.contains(&name) || name.bytes().all(|byte| byte.is_ascii_digit())
}

fn cover(path: &str, kind: FileType) -> Result<(), Failure> {
    let nothing = match kind {
        // What a link leads to is covered or shown by itself.
        FileType::Symlink => return Ok(()),
        FileType::Directory => memory::file_system(EMPTY_FOLDER_MODE, EMPTY_FOLDER_BYTES)?,
        _ => copy_of(EMPTY_FILE)?,
    };
    if kind == FileType::Directory {
        restrict(&nothing, SEALED)?;
    }
    attach(&nothing, path)
}

fn copy_of(path: &str) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags).map_err(confinement("a part of /proc cannot be protected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_and_usual_facts_are_shown_and_nothing_else() {
        assert!(["1", "65536", "meminfo", "self"].into_iter().all(is_shown));
        for name in [
            "kcore",
            "keys",
            "sysrq-trigger",
            "acpi",
            "mtrr",
            "kpageflags",
            "timer_list",
            "bus",
            "of tomorrow",
        ] {
            assert!(!is_shown(name), "{name}");
        }
    }
}
