//! A folder of ordinary files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Advice, FallocateFlags, FlockOperation, OFlags, fadvise, fallocate, flock, statvfs};
use rustix::io::Errno;

use super::{File, Host};
use crate::Error;
use crate::format::BLOCK;

/// Name of the file whose lock a writer holds.
const LOCK: &str = "lock";

/// What a new volume leaves of the host's space.
const SPARE: u64 = 256 << 20;
const SMALLEST: u64 = 64 << 20;
const LARGEST: u64 = 1 << 46;

/// Bytes from which on the host's page cache costs more than it gives: what is copied there is kept by those who asked
/// for it, too.
const DIRECT: usize = 64 * 1024;

/// Unit in which the host counts a file's space (stat(2)).
const SECTOR: u64 = 512;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Cached,
    Direct,
}

/// A volume's folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    writable: bool,
    open: Mutex<BTreeMap<(File, Way), Arc<fs::File>>>,
    /// The host's file system takes O_DIRECT, as far as is known.
    direct: AtomicBool,
    /// The host's page cache keeps what is read.
    keeps_reads: bool,
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
            Errno::WOULDBLOCK => Error::Locked,
            other => Error::host("lock", &other.into()),
        })?;
        Ok(Self {
            path: path.into(),
            writable: true,
            open: Mutex::default(),
            direct: AtomicBool::new(true),
            keeps_reads: false,
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
            direct: AtomicBool::new(true),
            keeps_reads: false,
            _lock: None,
        })
    }

    /// Lets the host's page cache keep what is read: for fronts above which nobody does.
    #[must_use]
    pub fn keeping_reads(self) -> Self {
        Self {
            keeps_reads: true,
            ..self
        }
    }

    /// The capacity that a new volume in a folder gets where nobody asks for another: what the host has free, less a
    /// little, at least 64 MiB, at most 64 TiB.
    ///
    /// # Errors
    /// From the host.
    pub fn capacity(path: &Path) -> io::Result<u64> {
        Ok(free(path)?.saturating_sub(SPARE).clamp(SMALLEST, LARGEST) / BLOCK as u64 * BLOCK as u64)
    }

    fn file(&self, file: File, way: Way) -> io::Result<Arc<fs::File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = open.get(&(file, way)) {
            return Ok(Arc::clone(found));
        }
        let flags = match way {
            Way::Cached => OFlags::empty(),
            Way::Direct => OFlags::DIRECT,
        };
        let opened = fs::OpenOptions::new()
            .read(true)
            .write(self.writable)
            .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
            .open(self.path.join(file.name()))?;
        let opened = Arc::new(opened);
        open.insert((file, way), Arc::clone(&opened));
        Ok(opened)
    }

    /// The way past the host's page cache for bytes that are many and lie right; the kernel keeps both ways to a file
    /// coherent. `None` where there is none, and for all others.
    fn past_the_cache(&self, file: File, offset: u64, bytes: &[u8]) -> Option<Arc<fs::File>> {
        let whole = |value: u64| value % BLOCK as u64 == 0;
        // The log's blocks are written when a volume is made: past the cache, a flush has nothing left to do but ask the
        // disk for its own.
        let least = if file == File::Log { BLOCK } else { DIRECT };
        let fits = bytes.len() >= least && whole(bytes.len() as u64) && whole(offset);
        if !fits || bytes.as_ptr().align_offset(BLOCK) != 0 || !self.direct.load(Ordering::Relaxed) {
            return None;
        }
        self.accepted(self.file(file, Way::Direct))?.ok()
    }

    /// What came of that; `None` where the file system has no such way, and is not asked again.
    fn accepted<T>(&self, outcome: io::Result<T>) -> Option<io::Result<T>> {
        let refused = Some(Errno::INVAL.raw_os_error());
        if outcome.as_ref().is_err_and(|error| error.raw_os_error() == refused) {
            self.direct.store(false, Ordering::Relaxed);
            return None;
        }
        Some(outcome)
    }

    fn read_and_keep(&self, file: File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let file = self.file(file, Way::Cached)?;
        if bytes.len() >= DIRECT {
            // Asked for at once; by itself, the kernel would fetch it in small steps.
            let length = NonZeroU64::new(bytes.len() as u64);
            let _ = fadvise(&file, offset, length, Advice::WillNeed);
        }
        file.read_exact_at(bytes, offset)
    }

    /// A new name is durable once its folder is.
    fn flush_names(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}

/// Bytes that the host has free.
fn free(path: &Path) -> io::Result<u64> {
    let host = statvfs(path)?;
    Ok(host.f_bavail.saturating_mul(host.f_frsize))
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
        let file = self.file(file, Way::Cached)?;
        let from = file.metadata()?.len();
        if length <= from {
            return Ok(());
        }
        match fallocate(&file, FallocateFlags::empty(), from, length - from) {
            Err(Errno::OPNOTSUPP) => file.set_len(length),
            other => other.map_err(io::Error::from),
        }
    }

    fn read(&self, file: File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        if self.keeps_reads {
            return self.read_and_keep(file, offset, bytes);
        }
        let direct = self.past_the_cache(file, offset, bytes);
        let read = direct.and_then(|direct| self.accepted(direct.read_exact_at(bytes, offset)));
        read.unwrap_or_else(|| self.file(file, Way::Cached)?.read_exact_at(bytes, offset))
    }

    fn write(&self, file: File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let direct = self.past_the_cache(file, offset, bytes);
        let written = direct.and_then(|direct| self.accepted(direct.write_all_at(bytes, offset)));
        written.unwrap_or_else(|| self.file(file, Way::Cached)?.write_all_at(bytes, offset))
    }

    fn room(&self) -> io::Result<Option<u64>> {
        let mut taken = 0;
        for index in 0.. {
            match fs::metadata(self.path.join(File::Segment(index).name())) {
                Ok(segment) => taken += segment.blocks() * SECTOR,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(free(&self.path)? + taken))
    }

    fn discard(&self, file: File, offset: u64, length: u64) -> io::Result<()> {
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(self.file(file, Way::Cached)?, punch, offset, length) {
            Err(Errno::OPNOTSUPP) => Ok(()),
            other => other.map_err(io::Error::from),
        }
    }

    fn flush(&self, file: File) -> io::Result<()> {
        self.file(file, Way::Cached)?.sync_data()
    }
}

#[cfg(test)]
mod tests;
