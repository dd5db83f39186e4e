//! Mounting and serving.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use casemate_image::merged::Merged;
use fuser::{Config, MountOption, Session, SessionACL};

use crate::front::{Front, Listener};

/// How an image is mounted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What /proc/mounts shows as the source.
    pub source: String,
    /// Every user of the machine may look, as permissions say. Otherwise only the one who mounts.
    pub shared: bool,
    /// Whom everything belongs to, where the kernel knows no others; `None`: whom the image says.
    pub owner: Option<(u32, u32)>,
    /// Threads that take requests; 0 for as many as there are processors, and one.
    pub threads: usize,
}

/// An image that is mounted and not yet served.
pub struct Mounted(Session<Front>);

impl Mounted {
    /// Mounts at a directory.
    ///
    /// # Errors
    /// From the host: no such directory, no FUSE, no right to mount.
    pub fn new(image: Arc<Merged>, mountpoint: &Path, listener: Listener, options: &Options) -> io::Result<Self> {
        let front = Front::new(image, listener, options.owner);
        Ok(Self(Session::new(front, mountpoint, &config(options))?))
    }

    /// Takes over a FUSE device that somebody else mounted.
    ///
    /// # Errors
    /// From the kernel: no such device, or nothing is mounted on it.
    pub fn on_device(image: Arc<Merged>, device: OwnedFd, listener: Listener, options: &Options) -> io::Result<Self> {
        let front = Front::new(image, listener, options.owner);
        Ok(Self(Session::from_fd(front, device, SessionACL::All, config(options))?))
    }

    /// Serves until somebody unmounts.
    ///
    /// # Errors
    /// Why serving broke off.
    pub fn serve(self) -> io::Result<()> {
        self.0.run()
    }
}

fn config(options: &Options) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(options.source.clone()),
        MountOption::Subtype("casemate".into()),
        MountOption::NoAtime,
        MountOption::DefaultPermissions,
        MountOption::RO,
    ];
    if options.shared {
        config.acl = SessionACL::All;
    }
    config.n_threads = Some(match options.threads {
        0 => 1 + std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        given => given,
    });
    config.clone_fd = true;
    config
}

impl std::fmt::Debug for Mounted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mounted").finish_non_exhaustive()
    }
}
