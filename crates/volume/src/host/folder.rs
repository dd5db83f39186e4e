//! A folder of ordinary files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock, statvfs};

use super::{File, Host};
use crate::Error;
use crate::format::BLOCK;

/// Name of the file whose lock a writer holds.
const LOCK: &str = "lock";

/// What a new volume leaves of the host's space.
const SPARE: u64 = 256 << 20;
const SMALLEST: u64 = 64 << 20;
const LARGEST: u64 = 1 << 46;

/// A volume's folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    writable: bool,
    open: Mutex<BTreeMap<File, Arc<fs::File>>>,
    _lock: Option<fs::File>,
}

impl Folder {
    /// Takes the folder for writing: no other process on this host has it.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::Missing`], or from the host.
    pub fn write(path: &Path) -> Result<Self, Error> {
        let options = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK));
        let lock = options.map_err(|error| opening(&error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => Error::Locked,
            other => Error::host("lock", &other.into()),
        })?;
        Ok(Self {
            path: path.into(),
            writable: true,
            open: Mutex::default(),
            _lock: Some(lock),
        })
    }

    /// Opens the folder for reading, beside whoever writes.
    ///
    /// # Errors
    /// [`Error::Missing`], or from the host.
    pub fn read(path: &Path) -> Result<Self, Error> {
        fs::metadata(path).map_err(|error| opening(&error))?;
        Ok(Self {
            path: path.into(),
            writable: false,
            open: Mutex::default(),
            _lock: None,
        })
    }

    /// The capacity that a new volume in a folder gets where nobody asks for another: what the host has free, less a
    /// little, at least 64 MiB, at most 64 TiB.
    ///
    /// # Errors
    /// From the host.
    pub fn room(path: &Path) -> io::Result<u64> {
        let host = statvfs(path)?;
        let free = host.f_bavail.saturating_mul(host.f_frsize);
        Ok(free.saturating_sub(SPARE).clamp(SMALLEST, LARGEST) / BLOCK as u64 * BLOCK as u64)
    }

    fn file(&self, file: File) -> io::Result<Arc<fs::File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = open.get(&file) {
            return Ok(Arc::clone(found));
        }
        let options = fs::OpenOptions::new()
            .read(true)
            .write(self.writable)
            .open(self.path.join(file.name()))?;
        let opened = Arc::new(options);
        open.insert(file, Arc::clone(&opened));
        Ok(opened)
    }

    /// A new name is durable once its folder is.
    fn flush_names(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}

fn opening(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::Missing("the folder does not exist"),
        _ => Error::host("open the folder", error),
    }
}

impl Host for Folder {
    fn length(&self, file: File) -> io::Result<Option<u64>> {
        match fs::metadata(self.path.join(file.name())) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, file: File, length: u64) -> io::Result<()> {
        let path = self.path.join(file.name());
        let created = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        created.set_len(length)?;
        created.sync_all()?;
        self.flush_names()
    }

    fn grow(&self, file: File, length: u64) -> io::Result<()> {
        let file = self.file(file)?;
        let from = file.metadata()?.len();
        if length <= from {
            return Ok(());
        }
        match fallocate(&file, FallocateFlags::empty(), from, length - from) {
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(length),
            other => other.map_err(io::Error::from),
        }
    }

    fn read(&self, file: File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file(file)?.read_exact_at(bytes, offset)
    }

    fn write(&self, file: File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(file)?.write_all_at(bytes, offset)
    }

    fn flush(&self, file: File) -> io::Result<()> {
        self.file(file)?.sync_data()
    }
}
