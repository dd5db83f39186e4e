//! The folder in which the workload finds its certificate. It is the shield's; where the domain has one user only, or the
//! workload is user 0, the workload can spoil it, for nobody but itself.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, openat, renameat, unlinkat};
use rustix::io::Errno;

/// The key, PEM (PKCS #8), for the workload's user alone.
pub const KEY: &str = "key.pem";
/// The certificate, PEM, for everybody.
pub const CERTIFICATE: &str = "certificate.pem";
const NEW: &str = ".certificate.pem";
const KEY_MODE: u32 = 0o400;
const CERTIFICATE_MODE: u32 = 0o444;

/// A folder that is known by its descriptor, wherever it is mounted.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// Of a file system in memory.
    #[must_use]
    pub fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Writes the key, which must not be there; its file, to be given to the workload's user.
    ///
    /// # Errors
    /// Those of openat(2) and write(2).
    pub fn place_key(&self, key: &[u8]) -> io::Result<OwnedFd> {
        self.write(KEY, KEY_MODE, key)
    }

    /// Puts a certificate in place of the one before, if there is one: whoever opens it reads one of the two as a whole.
    ///
    /// # Errors
    /// Those of openat(2), write(2) and rename(2).
    pub fn replace_certificate(&self, certificate: &[u8]) -> io::Result<()> {
        // What is there was left by a try that failed.
        match unlinkat(self.0.as_fd(), NEW, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        self.write(NEW, CERTIFICATE_MODE, certificate)?;
        Ok(renameat(self.0.as_fd(), NEW, self.0.as_fd(), CERTIFICATE)?)
    }

    fn write(&self, name: &str, mode: u32, content: &[u8]) -> io::Result<OwnedFd> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(self.0.as_fd(), name, flags, Mode::from_raw_mode(mode))?;
        // Whatever mask whoever started us had.
        fchmod(&file, Mode::from_raw_mode(mode))?;
        let mut file = File::from(file);
        file.write_all(content)?;
        Ok(file.into())
    }
}
