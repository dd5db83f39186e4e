//! A minimal /dev: the six devices that programs expect, /dev/shm, and links to open files.

use std::os::fd::{AsFd, OwnedFd};

use casemate_sys::AttachedFlags;
use rustix::fs::{AtFlags, CWD, FileType, major, minor, statat};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::{attach as mount_at, memory, restrict, tree::Tree};
use crate::failure::{Exit, Failure};

/// Name, major and minor number (Linux Documentation/admin-guide/devices.txt).
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 4] = [
    ("/fd", "/proc/self/fd"),
    ("/stdin", "/proc/self/fd/0"),
    ("/stdout", "/proc/self/fd/1"),
    ("/stderr", "/proc/self/fd/2"),
];

/// Most bytes in /dev/shm: what container engines give, enough for the locks and queues of usual programs.
const SHARED_MEMORY_BYTES: u64 = 64 * 1024 * 1024;
const SHARED_MEMORY_MODE: u32 = 0o1777;

/// The host's device nodes, checked and detached. They are borrowed because a user's namespace cannot make its own.
pub fn collect() -> Result<Vec<(&'static str, OwnedFd)>, Failure> {
    DEVICES
        .into_iter()
        .map(|(name, major, minor)| Ok((name, device(name, major, minor)?)))
        .collect()
}

fn device(name: &str, expected_major: u32, expected_minor: u32) -> Result<OwnedFd, Failure> {
    let refuse = |why: &str| Failure::new(Exit::Confinement, format!("the host's /dev/{name} {why}"));
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let node = open_tree(CWD, format!("/dev/{name}"), flags).map_err(|error| refuse(&error.to_string()))?;
    let status = statat(&node, "", AtFlags::EMPTY_PATH).map_err(|error| refuse(&error.to_string()))?;
    let is_device = FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice;
    if !is_device || (major(status.st_rdev), minor(status.st_rdev)) != (expected_major, expected_minor) {
        return Err(refuse("is not that device"));
    }
    // Read-only concerns the node, which belongs to the host's root like a workload with uid 0, not the device.
    restrict(
        &node,
        AttachedFlags {
            read_only: true,
            no_set_id: true,
            no_execute: true,
            no_devices: false,
        },
    )?;
    Ok(node)
}

/// Mounts /dev with `devices` in the new root.
pub fn attach(devices: Vec<(&'static str, OwnedFd)>) -> Result<(), Failure> {
    let mut tree = Tree::new(memory::file_system(0o755, memory::UNLIMITED)?);
    for (name, _) in &devices {
        tree.file(&format!("/{name}"), 0o444)?;
    }
    for (path, target) in LINKS {
        tree.symlink(path, target)?;
    }
    tree.directory("/shm")?;
    mount_at(tree.descriptor(), "/dev")?;
    for (name, node) in devices {
        move_mount(
            node.as_fd(),
            "",
            tree.descriptor(),
            name,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
        .map_err(Failure::because(Exit::Confinement, "a device cannot be mounted"))?;
    }
    let quiet = AttachedFlags {
        no_set_id: true,
        no_devices: true,
        no_execute: true,
        read_only: false,
    };
    let shared = memory::file_system(SHARED_MEMORY_MODE, SHARED_MEMORY_BYTES)?;
    restrict(&shared, quiet)?;
    mount_at(&shared, "/dev/shm")?;
    restrict(
        tree.descriptor(),
        AttachedFlags {
            read_only: true,
            ..quiet
        },
    )
}
