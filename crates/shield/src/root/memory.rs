//! File systems in memory that cannot swap.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen};

use super::confinement;
use crate::failure::Failure;

/// No limit on the size; for trees whose content the manifest fixes.
pub const UNLIMITED: u64 = 0;

/// A new, empty file system, mounted nowhere. Its root folder has `mode`; `size` is in bytes.
///
/// tmpfs with `noswap` (Linux 6.4) where the kernel allows it, else ramfs, which never swaps and knows no limit:
/// that is what users without privileges get.
pub fn file_system(mode: u32, size: u64) -> Result<OwnedFd, Failure> {
    let made = match tmpfs(mode, size) {
        Err(Errno::INVAL | Errno::PERM) => ramfs(mode),
        made => made,
    };
    made.map_err(confinement("memory that cannot swap is not to be had"))
}

fn tmpfs(mode: u32, size: u64) -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_flag(context.as_fd(), "noswap")?;
    fsconfig_set_string(context.as_fd(), "mode", format!("{mode:o}"))?;
    fsconfig_set_string(context.as_fd(), "size", size.to_string())?;
    if size == UNLIMITED {
        fsconfig_set_string(context.as_fd(), "nr_inodes", "0")?;
    }
    mount(&context)
}

fn ramfs(mode: u32) -> Result<OwnedFd, Errno> {
    let context = fsopen("ramfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "mode", format!("{mode:o}"))?;
    mount(&context)
}

fn mount(context: &OwnedFd) -> Result<OwnedFd, Errno> {
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}
