//! landlock(7): keeping a program to itself without a namespace for it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// First version of the interface that has scopes (Linux 6.12, Documentation/userspace-api/landlock.rst).
const FIRST_WITH_SCOPES: libc::c_long = 6;
/// LANDLOCK_CREATE_RULESET_VERSION, LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL of linux/landlock.h.
const ASK_VERSION: libc::c_uint = 1;
const SCOPES: u64 = 1 | 2;

/// struct landlock_ruleset_attr of linux/landlock.h, as version 6 has it.
#[repr(C)]
struct Attributes {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

/// Whether [`stay_among_own_processes`] can do anything here.
///
/// # Errors
/// Those of landlock_create_ruleset(2), other than that it does not exist.
pub fn can_stay_among_own_processes() -> io::Result<bool> {
    // SAFETY: with this flag the kernel only returns a number; no attributes are read.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<Attributes>(),
            0_usize,
            ASK_VERSION,
        )
    };
    if version < 0 {
        return absent(io::Error::last_os_error());
    }
    Ok(version >= FIRST_WITH_SCOPES)
}

/// Cuts this thread, and every program that it becomes, off from abstract Unix sockets and signals of processes that are
/// not cut off with it. Needs no_new_privs. Does nothing where the kernel cannot (before Linux 6.12, or without Landlock).
///
/// # Errors
/// Those of landlock_create_ruleset(2) and landlock_restrict_self(2), other than that they do not exist.
pub fn stay_among_own_processes() -> io::Result<()> {
    if can_stay_among_own_processes()? {
        restrict(&ruleset()?)?;
    }
    Ok(())
}

/// A kernel without Landlock, or with Landlock switched off; any other reason is an error.
fn absent(reason: io::Error) -> io::Result<bool> {
    match reason.raw_os_error() {
        Some(libc::ENOSYS | libc::EOPNOTSUPP) => Ok(false),
        _ => Err(reason),
    }
}

fn ruleset() -> io::Result<OwnedFd> {
    let attributes = Attributes {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: SCOPES,
    };
    // SAFETY: the attributes outlive the call, and their size is passed with them.
    let made = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attributes,
            size_of::<Attributes>(),
            0_u32,
        )
    };
    let number = i32::try_from(made).map_err(io::Error::other)?;
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made it, nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

fn restrict(ruleset: &OwnedFd) -> io::Result<()> {
    // SAFETY: touches no memory of ours.
    if unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
