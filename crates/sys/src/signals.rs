//! Signals as descriptors.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Pid;

/// Signals that are about the process which they hit: faults of its own, and what nobody can block.
const OWN: [i32; 10] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGPIPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGSEGV,
    libc::SIGSYS,
];

/// Signals that supervisors pass on to the program below them (and SIGCHLD, which is for themselves): all but their own
/// and those below SIGRTMIN that the C library keeps for itself.
fn is_supervised(signal: i32) -> bool {
    (1..32).contains(&signal) && !OWN.contains(&signal) || (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&signal)
}

fn supervised() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the whole set; sigaddset gets valid signal numbers only.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in (1..=libc::SIGRTMAX()).filter(|signal| is_supervised(*signal)) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

/// Blocks the signals that supervisors pass on, and SIGCHLD, in this thread and those that it starts; they then come out
/// of a [`SignalDescriptor`].
///
/// # Errors
/// Those of pthread_sigmask(3).
pub fn block_signals() -> io::Result<()> {
    // SAFETY: the set outlives the call, the old mask is not asked for.
    let code = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &supervised(), std::ptr::null_mut()) };
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(code))
    }
}

/// Unblocks every signal in this thread.
///
/// # Errors
/// Those of pthread_sigmask(3).
pub fn unblock_signals() -> io::Result<()> {
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before it is read, and it outlives the call.
    let code = unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut())
    };
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(code))
    }
}

/// struct kernel_sigaction of x86-64 (arch/x86/include/uapi/asm/signal.h); all zeros: the default disposition.
#[repr(C)]
#[derive(Default)]
struct KernelAction {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// Gives every signal its default disposition and unblocks all: what a freshly started program expects, whatever whoever
/// started this one ignores.
///
/// For a process with one thread, before it starts others: the C library does not know that its handlers are gone.
///
/// # Errors
/// Those of pthread_sigmask(3).
pub fn reset_signals() -> io::Result<()> {
    let default = KernelAction::default();
    for signal in 1..=libc::SIGRTMAX() {
        // The kernel itself is asked: the C library would leave out the two that it keeps for threads, which stay ignored
        // if they were.
        // SAFETY: SIG_DFL installs no code of ours; the action outlives the call, and its size of a mask is the kernel's.
        // SIGKILL and SIGSTOP are refused, which is meant.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                &raw const default,
                std::ptr::null::<KernelAction>(),
                size_of_val(&default.mask),
            )
        };
    }
    unblock_signals()
}

/// Makes this process end at SIGHUP, SIGINT, SIGQUIT and SIGTERM, with 128 and the signal's number.
///
/// For the first process of a PID namespace, which the kernel spares what would end any other (pid_namespaces(7)).
pub fn end_on_signals() {
    extern "C" fn end(signal: libc::c_int) {
        // SAFETY: _exit may be called from a handler (signal-safety(7)), and touches no memory.
        unsafe { libc::_exit(128 + signal) }
    }
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: the handler does nothing but end the process.
        unsafe { libc::signal(signal, end as *const () as libc::sighandler_t) };
    }
}

/// Makes writing to a pipe without a reader an error instead of the end of this process.
pub fn survive_broken_pipes() {
    // SAFETY: SIG_IGN installs no code of ours, and SIGPIPE may be ignored.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Sends any signal, real-time ones included, which rustix has no names for.
///
/// # Errors
/// Those of kill(2).
pub fn send_signal(process: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: kill touches no memory.
    if unsafe { libc::kill(process.as_raw_nonzero().get(), signal) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Delivers the signals that [`block_signals`] blocked; readable when one waits.
#[derive(Debug)]
pub struct SignalDescriptor(OwnedFd);

impl SignalDescriptor {
    /// Opens one, non-blocking and close-on-exec.
    ///
    /// # Errors
    /// Those of signalfd(2).
    pub fn open() -> io::Result<Self> {
        // SAFETY: the set outlives the call; -1 asks for a new descriptor.
        let raw = unsafe { libc::signalfd(-1, &supervised(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: signalfd just made it, nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// The number of the next waiting signal, `None` when there is none.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn next(&self) -> io::Result<Option<i32>> {
        let mut information = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer is as long as the kernel is told.
        let got = unsafe { libc::read(self.0.as_raw_fd(), information.as_mut_ptr().cast(), size) };
        if got < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock {
                Ok(None)
            } else {
                Err(error)
            };
        }
        if usize::try_from(got) != Ok(size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: the kernel filled the whole structure (checked above).
        let number = unsafe { information.assume_init() }.ssi_signo;
        i32::try_from(number).map(Some).map_err(io::Error::other)
    }
}

impl AsFd for SignalDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_comes_out_of_the_descriptor() {
        block_signals().expect("blocked");
        let signals = SignalDescriptor::open().expect("opened");
        assert_eq!(signals.next().expect("read"), None);
        // SAFETY: SIGWINCH is blocked in this thread and only waits in it.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGWINCH) };
        assert_eq!(signals.next().expect("read"), Some(libc::SIGWINCH));
    }
    #[test]
    fn everything_is_passed_on_but_faults_and_what_nobody_can_block() {
        let passed = |signal: i32| is_supervised(signal);
        for signal in [
            libc::SIGHUP,
            libc::SIGIO,
            libc::SIGPWR,
            libc::SIGURG,
            libc::SIGXCPU,
            libc::SIGRTMIN(),
            64,
        ] {
            assert!(passed(signal), "{signal}");
        }
        for signal in [
            0,
            libc::SIGKILL,
            libc::SIGSTOP,
            libc::SIGSEGV,
            libc::SIGPIPE,
            32,
            33,
            65,
        ] {
            assert!(!passed(signal), "{signal}");
        }
    }
}
