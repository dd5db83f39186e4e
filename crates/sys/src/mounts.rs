//! mount_setattr(2), which rustix does not offer.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What is switched on for a mount; nothing is ever switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachedFlags {
    /// Nothing can be changed through this mount.
    pub read_only: bool,
    /// Set-id bits and file capabilities have no effect.
    pub no_set_id: bool,
    /// Device nodes cannot be opened.
    pub no_devices: bool,
    /// Nothing on it can be executed or mapped executable.
    pub no_execute: bool,
}

impl AttachedFlags {
    fn bits(self) -> u64 {
        [
            (self.read_only, libc::MOUNT_ATTR_RDONLY),
            (self.no_set_id, libc::MOUNT_ATTR_NOSUID),
            (self.no_devices, libc::MOUNT_ATTR_NODEV),
            (self.no_execute, libc::MOUNT_ATTR_NOEXEC),
        ]
        .into_iter()
        .filter(|(on, _)| *on)
        .fold(0, |bits, (_, flag)| bits | flag)
    }
}

/// Switches `flags` on for the one mount whose root `mount` is.
///
/// # Errors
/// Those of mount_setattr(2); `ENOSYS` before Linux 5.12.
pub fn set_mount_attributes(mount: BorrowedFd<'_>, flags: AttachedFlags) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: flags.bits(),
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is a NUL-terminated literal, `attributes` outlives the call and its size is passed with it.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_the_bits_of_the_kernel() {
        assert_eq!(AttachedFlags::default().bits(), 0);
        let all = AttachedFlags {
            read_only: true,
            no_set_id: true,
            no_devices: true,
            no_execute: true,
        };
        assert_eq!(all.bits(), 1 | 2 | 4 | 8);
    }
}
