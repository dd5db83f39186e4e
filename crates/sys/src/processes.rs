//! fork, exec and namespaces.

use std::ffi::CStr;
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
    one_thread()?;
    // SAFETY: the process has one thread (checked above), so the child may go on like any other program.
    let id = unsafe { libc::fork() };
    if id < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(id).map_or(Fork::Child, Fork::Parent))
}

/// Forks a child into the new namespaces that `flags` names, if this process has one thread.
///
/// unshare and [`fork`] would do the same, but after unshare(CLONE_NEWPID) a process can start no thread any more.
///
/// # Errors
/// `EBUSY` with more than one thread, `EINVAL` for flags other than namespaces, else those of clone(2) and of reading /proc.
pub fn fork_into(flags: UnshareFlags) -> io::Result<Fork> {
    one_thread()?;
    only_namespaces(flags)?;
    let flags = libc::c_long::from(flags.bits()) | libc::c_long::from(libc::SIGCHLD);
    // SAFETY: without CLONE_VM and a stack this is fork: the process has one thread, the child gets a copy of its memory
    // and goes on with its own copy of this stack. The C library's note of the thread's number stays the parent's; it
    // serves raise(3) and locks that check their owner, of which there are none here.
    let id = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if id < 0 {
        return Err(io::Error::last_os_error());
    }
    let id = i32::try_from(id).map_err(io::Error::other)?;
    Ok(Pid::from_raw(id).map_or(Fork::Child, Fork::Parent))
}

fn one_thread() -> io::Result<()> {
    let links = std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata("/proc/self/task")?);
    if links == LINKS_BESIDES_THREADS + 1 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EBUSY))
    }
}

fn only_namespaces(flags: UnshareFlags) -> io::Result<()> {
    let namespaces = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    if namespaces.contains(flags) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EINVAL))
    }
}

/// Leaves the namespaces that `flags` names for new ones.
///
/// # Errors
/// `EINVAL` for flags other than namespaces, else those of unshare(2).
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    only_namespaces(flags)?;
    // SAFETY: rustix marks this unsafe for CLONE_FILES, which would split the table that owned descriptors rest on;
    // only namespaces get here.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// Makes programs that this process becomes ordinary ones of Linux, with random addresses, whatever whoever started it
/// chose (setarch(8)).
///
/// # Errors
/// Those of personality(2).
pub fn reset_personality() -> io::Result<()> {
    // SAFETY: personality touches no memory; PER_LINUX is 0.
    if unsafe { libc::personality(0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Becomes `program`; returns only the reason why not.
#[must_use]
pub fn execute<S: AsRef<CStr>>(program: &CStr, arguments: &[S], environment: &[S]) -> io::Error {
    let (argv, envp) = (pointers(arguments), pointers(environment));
    // SAFETY: all strings are NUL-terminated, both lists end with null, and all of them outlive the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// Where each string begins, and the null that ends the list. The strings must outlive it.
fn pointers<S: AsRef<CStr>>(strings: &[S]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ref().as_ptr())
        .chain([std::ptr::null()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fork_is_refused_while_another_thread_runs() {
        // The test harness itself runs this on a second thread.
        assert_eq!(fork().expect_err("two threads").raw_os_error(), Some(libc::EBUSY));
        assert_eq!(
            fork_into(UnshareFlags::NEWPID).expect_err("two threads").raw_os_error(),
            Some(libc::EBUSY)
        );
    }

    #[test]
    fn unshare_takes_namespaces_only() {
        assert_eq!(
            unshare(UnshareFlags::FILES).expect_err("files").raw_os_error(),
            Some(libc::EINVAL)
        );
    }

    #[test]
    fn execute_returns_the_reason() {
        assert_eq!(
            execute::<&CStr>(c"/proc/self/none", &[], &[]).raw_os_error(),
            Some(libc::ENOENT)
        );
    }
}
