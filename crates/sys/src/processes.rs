//! fork, exec and namespaces.

use std::ffi::{CStr, CString};
use std::io;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Who returned from [`fork`].
#[derive(Debug)]
pub enum Fork {
    /// The new process.
    Child,
    /// The process that called, with its child.
    Parent(Pid),
}

/// Links of /proc/self/task besides one for each thread: its own name and `.`.
const LINKS_BESIDES_THREADS: u64 = 2;

/// Forks, if this process has one thread: the child of several would inherit locks that nobody ever opens.
///
/// # Errors
/// `EBUSY` with more than one thread, else those of fork(2) and of reading /proc.
pub fn fork() -> io::Result<Fork> {
    let links = std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata("/proc/self/task")?);
    if links != LINKS_BESIDES_THREADS + 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: the process has one thread (checked above), so the child may go on like any other program.
    let id = unsafe { libc::fork() };
    if id < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(id).map_or(Fork::Child, Fork::Parent))
}

/// Leaves the namespaces that `flags` names for new ones.
///
/// # Errors
/// `EINVAL` for flags other than `NEW…` namespaces, else those of unshare(2).
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    let namespaces = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    if !namespaces.contains(flags) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: rustix marks this unsafe for CLONE_FILES, which would split the table that owned descriptors rest on;
    // only namespaces get here.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Becomes `program`; returns only the reason why not.
#[must_use]
pub fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(arguments), pointers(environment));
    // SAFETY: all strings are NUL-terminated, both lists end with null, and all of them outlive the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fork_is_refused_while_another_thread_runs() {
        // The test harness itself runs this on a second thread.
        assert_eq!(fork().expect_err("two threads").raw_os_error(), Some(libc::EBUSY));
    }

    #[test]
    fn unshare_takes_namespaces_only() {
        assert_eq!(unshare(UnshareFlags::FILES).expect_err("files").raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn execute_returns_the_reason() {
        assert_eq!(execute(c"/nonexistent", &[], &[]).raw_os_error(), Some(libc::ENOENT));
    }
}
