//! Mounting, serving, and the end.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use casemate_volume::{Error, Keeper, Shared, Upkeep};
use fuser::{Config, MountOption, Session, SessionACL};
use rustix::fs::{major, minor};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use crate::front::Front;
use crate::searches::{Left, searches};

/// KiB that the kernel reads ahead of a program that reads in a row.
const READ_AHEAD: u32 = 2048;

/// How a volume is mounted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What /proc/mounts shows as the source.
    pub source: String,
    /// Every user of the machine may use it, as permissions say. Otherwise only the one who mounts.
    pub shared: bool,
    /// Threads that take requests; 0 for as many as there are processors, and one.
    pub threads: usize,
    /// What goes on beside requests.
    pub upkeep: Upkeep,
}

/// A volume that is mounted and not yet served.
pub struct Mounted {
    session: Session<Front>,
    volume: Arc<Shared>,
    left: Left,
    /// Where, if this process sees it.
    mountpoint: Option<PathBuf>,
    upkeep: Upkeep,
}

impl Mounted {
    /// Mounts at a directory.
    ///
    /// # Errors
    /// From the host: no such directory, no FUSE, no right to mount.
    pub fn new(volume: Arc<Shared>, mountpoint: &Path, options: &Options) -> io::Result<Self> {
        let (searches, left) = searches();
        let front = Front::new(Arc::clone(&volume), is_checked(options), searches);
        let session = Session::new(front, mountpoint, &config(options, volume.is_read_only()))?;
        Ok(Self {
            session,
            volume,
            left,
            mountpoint: Some(mountpoint.to_owned()),
            upkeep: options.upkeep,
        })
    }

    /// Takes over a FUSE device that somebody else mounted, with permissions checked by the kernel.
    ///
    /// # Errors
    /// From the kernel: no such device, or nothing is mounted on it.
    pub fn on_device(volume: Arc<Shared>, device: OwnedFd, options: &Options) -> io::Result<Self> {
        let (searches, left) = searches();
        let front = Front::new(Arc::clone(&volume), true, searches);
        let session = Session::from_fd(front, device, SessionACL::All, config(options, volume.is_read_only()))?;
        Ok(Self {
            session,
            volume,
            left,
            mountpoint: None,
            upkeep: options.upkeep,
        })
    }

    /// Serves until somebody unmounts; then everything is durable and anchored.
    ///
    /// # Errors
    /// Why the last of it could not be made durable or anchored, or why serving broke off.
    pub fn serve(self) -> Result<(), Error> {
        let failed = |error: io::Error| Error::Host(format!("serve the mount: {error}"));
        let keeper = Keeper::start(Arc::clone(&self.volume), self.upkeep).map_err(failed)?;
        if let Some(mountpoint) = self.mountpoint {
            read_further_ahead(mountpoint).map_err(failed)?;
        }
        let kernel = self.session.notifier();
        self.left.serve(Arc::clone(&self.volume), kernel).map_err(failed)?;
        let served = self.session.run().map_err(failed);
        drop(keeper);
        self.volume.end().and(served)
    }
}

/// Asks the kernel to read ahead in large steps. Only root may; without, reading is slower. On a thread of its own: the
/// kernel has questions about the mount first, which [`Mounted::serve`] answers.
fn read_further_ahead(mountpoint: PathBuf) -> io::Result<()> {
    let ask = move || {
        if let Ok(status) = rustix::fs::stat(&mountpoint) {
            let (major, minor) = (major(status.st_dev), minor(status.st_dev));
            let setting = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
            let _ = std::fs::write(setting, READ_AHEAD.to_string());
        }
    };
    thread::Builder::new().name("read-ahead".into()).spawn(ask).map(drop)
}

/// Unmounts what is mounted there; [`Mounted::serve`] returns in the process that serves it.
///
/// # Errors
/// From the host, above all `EBUSY`: something is open below.
pub fn unmount(mountpoint: &Path) -> io::Result<()> {
    match rustix::mount::unmount(mountpoint, UnmountFlags::empty()) {
        Err(Errno::PERM) => with_helper(&["-u"], mountpoint),
        other => other.map_err(io::Error::from),
    }
}

/// Takes a mount away that nobody serves, whatever is still open below.
///
/// # Errors
/// From the host.
pub fn detach(mountpoint: &Path) -> io::Result<()> {
    match rustix::mount::unmount(mountpoint, UnmountFlags::DETACH) {
        Err(Errno::PERM) => with_helper(&["-u", "-z"], mountpoint),
        other => other.map_err(io::Error::from),
    }
}

/// What lets those unmount who are not root (fusermount3(1)).
fn with_helper(options: &[&str], mountpoint: &Path) -> io::Result<()> {
    let helper = Command::new("fusermount3")
        .args(options)
        .arg("--")
        .arg(mountpoint)
        .output()?;
    if helper.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&helper.stderr).trim().to_owned(),
    ))
}

fn config(options: &Options, read_only: bool) -> Config {
    let mut config = Config::default();
    let mut wanted = vec![
        MountOption::FSName(options.source.clone()),
        MountOption::Subtype("casemate".into()),
        MountOption::NoAtime,
    ];
    if is_checked(options) {
        wanted.push(MountOption::DefaultPermissions);
    }
    if options.shared {
        config.acl = SessionACL::All;
        if rustix::process::geteuid().is_root() {
            wanted.extend([MountOption::Dev, MountOption::Suid]);
        }
    }
    wanted.push(if read_only { MountOption::RO } else { MountOption::RW });
    config.mount_options = wanted;
    config.n_threads = Some(threads(options));
    config.clone_fd = true;
    config
}

/// Root may do everything anyway: where only root comes in, there is nothing to check.
fn is_checked(options: &Options) -> bool {
    options.shared || !rustix::process::geteuid().is_root()
}

fn threads(options: &Options) -> usize {
    match options.threads {
        0 => 1 + std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        given => given,
    }
}

impl std::fmt::Debug for Mounted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Mounted")
            .field("mountpoint", &self.mountpoint)
            .finish_non_exhaustive()
    }
}
