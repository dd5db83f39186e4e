//! Where a volume is, and how it is made, written and read there.

use std::fs;
use std::path::{Path, PathBuf};

use casemate_volume::anchor::{Anchor, Durability, InsecureFile, Memory, Record, State};
use casemate_volume::host::Folder;
use casemate_volume::{Environment, Error, Form, Freshness, Roots, Volume, VolumeKey};

use crate::Failure;

/// How often a reader tries again while the anchor moves on.
const TRIES: usize = 16;

/// How an anchor's file is opened.
type Open = fn(&Path, Durability) -> Result<InsecureFile, Error>;

/// A volume, its key and its anchor.
#[derive(Clone, Debug)]
pub struct Place {
    /// The host's folder.
    pub folder: PathBuf,
    /// What it is sealed with.
    pub key: VolumeKey,
    /// Absent only where nobody asks it.
    pub anchor: Option<AnchorFile>,
    /// Whether the host's page cache is to keep what is read: where nobody above the volume does.
    pub keeps_reads: bool,
}

/// An anchor in a file.
#[derive(Clone, Debug)]
pub struct AnchorFile {
    /// The file.
    pub file: PathBuf,
    /// When an update reaches the disk.
    pub durability: Durability,
}

/// A volume that was just made.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Its identity.
    pub volume: [u8; 16],
    /// What it was made with.
    pub form: Form,
}

impl Place {
    /// Makes the volume and leaves it unmounted. The anchor's file is new, or one that a `create` which failed left
    /// behind. Without a capacity, the volume gets what the host has free; without a log's size, one that fits.
    ///
    /// # Errors
    /// Those of [`Volume::create`], [`Failure::NoAnchor`], or from the host.
    pub fn create(self, roots: Roots, capacity: Option<u64>, log: Option<u64>) -> Result<Made, Failure> {
        fs::create_dir_all(&self.folder).map_err(|error| Failure::host("make the volume's folder", error))?;
        let capacity = capacity.map_or_else(|| Folder::capacity(&self.folder), Ok);
        let capacity = capacity.map_err(|error| Failure::host("look at the host's space", error))?;
        let mut form = Form::new(roots, capacity);
        form.log = log.unwrap_or(form.log);
        let host = Folder::write(&self.folder)?;
        let AnchorFile { file, durability } = self.anchor.as_ref().ok_or(Failure::NoAnchor)?;
        let anchor = match file.exists() {
            true => InsecureFile::open(file, *durability)?,
            false => InsecureFile::create(file, *durability)?,
        };
        let volume = Volume::create(Environment::of_this_machine(host, Box::new(anchor)), self.key, &form)?;
        Ok(Made { volume, form })
    }

    /// Mounts the volume for writing.
    ///
    /// # Errors
    /// Those of [`Volume::mount`], and [`Failure::NoAnchor`].
    pub fn write(&self, freshness: Freshness) -> Result<Volume, Failure> {
        let environment = self.environment(freshness)?;
        let mounted = Volume::mount(environment, self.key.clone(), freshness);
        mounted.map_err(|error| Failure::from(error).opening(&self.folder))
    }

    /// Mounts the volume for [`Volume::copy`] to write it.
    ///
    /// # Errors
    /// Those of [`Volume::mount_for_copy`], and [`Failure::NoAnchor`].
    pub fn write_copy(&self, freshness: Freshness) -> Result<Volume, Failure> {
        let environment = self.environment(freshness)?;
        Ok(Volume::mount_for_copy(environment, self.key.clone(), freshness)?)
    }

    /// Whether there never was a volume, by the word of the anchor: an empty folder says nothing.
    ///
    /// # Errors
    /// [`Error::Anchor`], and [`Failure::NoAnchor`].
    pub fn is_new(&self) -> Result<bool, Failure> {
        let AnchorFile { file, .. } = self.anchor.as_ref().ok_or(Failure::NoAnchor)?;
        if !file.exists() {
            return Ok(true);
        }
        let record = self.record(Freshness::Strict)?;
        Ok(record.is_some_and(|record| record.state == State::Uninitialised))
    }

    fn environment(&self, freshness: Freshness) -> Result<Environment, Failure> {
        let host = self.host(Folder::write(&self.folder)?);
        let anchor = self.anchor(freshness, InsecureFile::open)?;
        Ok(Environment::of_this_machine(host, anchor))
    }

    /// Mounts what the anchor says for reading, beside whoever writes. What is refused while the anchor moves on may
    /// just have been overwritten: then that counts which the anchor says by now.
    ///
    /// # Errors
    /// Those of [`Volume::mount_for_reading`], and [`Failure::NoAnchor`].
    pub fn read(&self, freshness: Freshness) -> Result<Volume, Failure> {
        let mut before = self.record(freshness)?;
        for _ in 1..TRIES {
            match self.read_once(freshness) {
                Err(Failure::Volume(Error::Tampered { .. } | Error::RolledBack { .. })) => {}
                other => return other,
            }
            let now = self.record(freshness)?;
            if now == before {
                break;
            }
            before = now;
        }
        self.read_once(freshness)
            .map_err(|failure| failure.opening(&self.folder))
    }

    fn read_once(&self, freshness: Freshness) -> Result<Volume, Failure> {
        let host = self.host(Folder::read(&self.folder)?);
        let environment = Environment::of_this_machine(host, self.anchor(freshness, InsecureFile::open_for_reading)?);
        Ok(Volume::mount_for_reading(environment, self.key.clone(), freshness)?)
    }

    fn host(&self, folder: Folder) -> Folder {
        if self.keeps_reads {
            folder.keeping_reads()
        } else {
            folder
        }
    }

    /// What the anchor says now; nothing where nobody asks it.
    ///
    /// # Errors
    /// [`Error::Anchor`], and [`Failure::NoAnchor`].
    pub fn record(&self, freshness: Freshness) -> Result<Option<Record>, Failure> {
        match freshness {
            Freshness::None => Ok(None),
            Freshness::Strict | Freshness::Interval => {
                let mut anchor = self.anchor(freshness, InsecureFile::open_for_reading)?;
                Ok(Some(anchor.read()?))
            }
        }
    }

    /// The anchor's file; nobody where integrity is enough.
    fn anchor(&self, freshness: Freshness, open: Open) -> Result<Box<dyn Anchor>, Failure> {
        match (&self.anchor, freshness) {
            (_, Freshness::None) => Ok(Box::new(Memory::default())),
            (Some(anchor), _) => Ok(Box::new(open(&anchor.file, anchor.durability)?)),
            (None, _) => Err(Failure::NoAnchor),
        }
    }
}
