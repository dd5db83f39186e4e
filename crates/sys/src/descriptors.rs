//! Descriptors known by number.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

/// Numbers that were taken already: two owners of one descriptor would close each other's files.
static TAKEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Takes ownership of the descriptor `number`, which whoever started this process left open, and marks it close-on-exec.
///
/// Call it before anything else opens files; each number can be taken once, 0 to 2 never.
///
/// # Errors
/// `EBADF` when it is not open, `EINVAL` for 0 to 2 and negative numbers, `EBUSY` when it was taken before.
pub fn take_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if taken.contains(&number) {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: F_SETFD touches no memory; a number that is not open gives EBADF.
    if unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    taken.push(number);
    // SAFETY: the descriptor is open (checked above), inherited, and TAKEN keeps a second owner from being made here.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Puts `descriptor` at `number`, open across exec, replacing what was there; for use just before [`crate::execute`].
///
/// The number stays open for the program that comes next and has no owner in this one.
///
/// # Errors
/// Those of dup2(2).
pub fn place_descriptor(descriptor: OwnedFd, number: RawFd) -> io::Result<()> {
    if descriptor.as_raw_fd() == number {
        // SAFETY: F_SETFD touches no memory. dup2 onto itself would leave close-on-exec set.
        let cleared = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
        std::mem::forget(descriptor);
        return if cleared < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        };
    }
    // SAFETY: dup2 touches no memory; the caller gives `number` up, as the documentation says.
    if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Marks every descriptor from `first` on close-on-exec.
///
/// # Errors
/// Those of close_range(2); `ENOSYS` before Linux 5.11.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: with CLOSE_RANGE_CLOEXEC nothing is closed now, so no owner loses its descriptor.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Closes every descriptor from 3 on but `kept`, whoever owns it.
///
/// For a process that was forked to go a way of its own and never returns: it has copies of owners that it never uses
/// or drops.
///
/// # Errors
/// Those of close_range(2); `EINVAL` when `kept` is one of 0 to 2.
pub fn close_others(kept: BorrowedFd<'_>) -> io::Result<()> {
    let first = libc::STDERR_FILENO + 1;
    let kept = kept.as_raw_fd();
    if kept < first {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    close_between(first, kept - 1)?;
    close_between(kept + 1, RawFd::MAX)
}

fn close_between(first: RawFd, last: RawFd) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: close_range touches no memory; the caller gives up all of them, as the documentation says.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::{AsFd, IntoRawFd};

    #[test]
    fn a_descriptor_is_taken_once_and_is_close_on_exec() {
        let raw = std::fs::File::open("/dev/null").expect("open").into_raw_fd();
        let owned = take_descriptor(raw).expect("open descriptor");
        // SAFETY: F_GETFD touches no memory.
        assert_eq!(unsafe { libc::fcntl(raw, libc::F_GETFD) }, libc::FD_CLOEXEC);
        assert_eq!(
            take_descriptor(raw).expect_err("second owner").raw_os_error(),
            Some(libc::EBUSY)
        );
        drop(owned);
    }

    #[test]
    fn a_standard_descriptor_is_not_kept_alone() {
        let refused = close_others(std::io::stderr().as_fd()).expect_err("stderr");
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn standard_and_closed_descriptors_are_refused() {
        assert_eq!(
            take_descriptor(2).expect_err("stderr").raw_os_error(),
            Some(libc::EINVAL)
        );
        assert_eq!(
            take_descriptor(-1).expect_err("negative").raw_os_error(),
            Some(libc::EINVAL)
        );
        assert_eq!(
            take_descriptor(9_999).expect_err("closed").raw_os_error(),
            Some(libc::EBADF)
        );
    }
}
