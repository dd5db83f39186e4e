//! An anchor in a file: whoever can rewrite the file can roll the volume back, hence the name.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::{Anchor, Record, Refusal, State};
use crate::Error;
use crate::format::Malformed;
use crate::format::bytes::{Put, Reader, check};
use crate::seal::sha256;

/// First bytes of the file.
const MAGIC: &[u8; 8] = b"CSMANCHR";
/// Bytes of a copy; the file has two, so that a torn write leaves one.
const COPY: usize = 512;

/// When an update reaches the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// With the next [`Anchor::flush`]: safe when the process dies; after a loss of power the disk may be ahead.
    Lazy,
    /// Before it returns.
    Durable,
}

/// A record in a file. For development, and where the file lies on a disk that the attacker has not.
#[derive(Debug)]
pub struct InsecureFile {
    file: fs::File,
    durability: Durability,
    /// Number of updates: its parity is the copy to write next.
    serial: u64,
    /// A write or flush failed: what is on the disk is unknown, and what is read back proves nothing.
    broken: bool,
}

impl InsecureFile {
    /// Makes the file, with an uninitialised record.
    ///
    /// # Errors
    /// [`Error::Occupied`] where it exists; [`Error::Anchor`] from the host.
    pub fn create(path: &Path, durability: Durability) -> Result<Self, Error> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let mut file = options.open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::Occupied("the anchor's file exists"),
            _ => failed("create", &error),
        })?;
        let first = encode(0, &Record::UNINITIALISED);
        let made = file.write_all(&[first.clone(), vec![0; COPY]].concat());
        made.and_then(|()| file.sync_all())
            .map_err(|error| failed("write", &error))?;
        flush_folder(path).map_err(|error| failed("flush", &error))?;
        Self::of(file, durability)
    }

    /// Opens the file.
    ///
    /// # Errors
    /// [`Error::Anchor`] from the host.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, Error> {
        let file = fs::OpenOptions::new().read(true).write(true).open(path);
        Self::of(file.map_err(|error| failed("open", &error))?, durability)
    }

    /// Opens the file for who only wants to know what it says, and may not write to it.
    ///
    /// # Errors
    /// [`Error::Anchor`] from the host.
    pub fn open_for_reading(path: &Path, durability: Durability) -> Result<Self, Error> {
        let file = fs::File::open(path);
        Self::of(file.map_err(|error| failed("open", &error))?, durability)
    }

    /// Puts the file at `by`, in the same folder, in the place of this one, which is at `path`, if this one still holds
    /// `expected`. Whoever has this one open finds it retired from then on. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Fenced`] where another writer was there; [`Error::Anchor`] from the host: then a look at `path` says
    /// which of the two it is.
    pub fn replace(mut self, path: &Path, expected: &Record, by: &Path) -> Result<(), Error> {
        flock(&self.file, FlockOperation::LockExclusive).map_err(|error| failed("lock", &error.into()))?;
        let found = self.load()?;
        if found != *expected {
            return Err(Error::Fenced(found.fence));
        }
        let renamed = fs::rename(by, path).and_then(|()| flush_folder(path));
        renamed.map_err(|error| failed("replace", &error))?;
        let closed = Record {
            state: State::Retired,
            ..found
        };
        // Who waits for the lock has a file without a name.
        self.store(&closed).map_err(|error| failed("close", &error))
    }

    fn of(file: fs::File, durability: Durability) -> Result<Self, Error> {
        let mut anchor = Self {
            file,
            durability,
            serial: 0,
            broken: false,
        };
        anchor.load()?;
        Ok(anchor)
    }

    fn load(&mut self) -> Result<Record, Error> {
        if self.broken {
            return Err(Error::Anchor("an earlier write to its file failed".into()));
        }
        let newest = (0..2)
            .filter_map(|copy| self.copy(copy))
            .max_by_key(|(serial, _)| *serial);
        let (serial, record) = newest.ok_or_else(|| Error::Anchor("the file holds no record".into()))?;
        self.serial = serial;
        Ok(record)
    }

    fn copy(&self, index: u64) -> Option<(u64, Record)> {
        let mut bytes = [0; COPY];
        self.file.read_exact_at(&mut bytes, index * COPY as u64).ok()?;
        decode(&bytes).ok()
    }

    fn fail(&mut self, doing: &str, error: &io::Error) -> Error {
        self.broken = true;
        failed(doing, error)
    }

    fn store(&mut self, record: &Record) -> io::Result<()> {
        let serial = self.serial + 1;
        self.file
            .write_all_at(&encode(serial, record), serial % 2 * COPY as u64)?;
        self.serial = serial;
        match self.durability {
            Durability::Lazy => Ok(()),
            Durability::Durable => self.file.sync_data(),
        }
    }
}

impl Anchor for InsecureFile {
    fn read(&mut self) -> Result<Record, Error> {
        self.load()
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        flock(&self.file, FlockOperation::LockExclusive).map_err(|error| failed("lock", &error.into()))?;
        let outcome = match self.load() {
            Ok(record) if record != *expected => Ok(Err(Refusal::Conflict(record))),
            Ok(_) => self.store(new).map(Ok).map_err(|error| self.fail("write", &error)),
            Err(error) => Err(error),
        };
        flock(&self.file, FlockOperation::Unlock).map_err(|error| failed("unlock", &error.into()))?;
        outcome
    }

    fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.file.sync_data();
        flushed.map_err(|error| self.fail("flush", &error))
    }

    fn is_durable(&self) -> bool {
        self.durability == Durability::Durable
    }
}

fn failed(doing: &str, error: &io::Error) -> Error {
    Error::Anchor(format!("{doing} the anchor's file: {error}"))
}

fn flush_folder(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(parent.map_or_else(|| PathBuf::from("."), PathBuf::from))?.sync_all()
}

fn encode(serial: u64, record: &Record) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.put_u64(serial).put(&record.volume);
    out.put_u64(match record.state {
        State::Uninitialised => 0,
        State::Active => 1,
        State::Retired => 2,
    });
    out.put_u64(record.generation).put(&record.root).put_u64(record.fence);
    let sum = sha256(&[&out]);
    out.put(&sum).resize(COPY, 0);
    out
}

fn decode(bytes: &[u8]) -> Result<(u64, Record), Malformed> {
    let mut reader = Reader(bytes);
    check(reader.array()? == *MAGIC, "it is no anchor")?;
    let (serial, volume) = (reader.u64()?, reader.array()?);
    let state = match reader.u64()? {
        0 => State::Uninitialised,
        1 => State::Active,
        2 => State::Retired,
        _ => return Err(Malformed("an anchor is of an unknown state")),
    };
    let (generation, root, fence) = (reader.u64()?, reader.array()?, reader.u64()?);
    let covered = bytes.len() - reader.0.len();
    check(
        reader.array()? == sha256(&[&bytes[..covered]]),
        "an anchor's sum is wrong",
    )?;
    reader.zeros()?;
    Ok((
        serial,
        Record {
            volume,
            state,
            generation,
            root,
            fence,
        },
    ))
}
