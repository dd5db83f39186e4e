//! Keys that were handed over, and anchors in files: that of the new volume lies beside that of the old one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use casemate_volume::anchor::{InsecureFile, Record};
use casemate_volume::{Error, Form, Freshness, Volume, VolumeKey};

use super::{Sides, sibling::give_to};
use crate::{AnchorFile, Failure, Place};

/// What is added to the name of the anchor's file.
const ADDED: &str = ".rekey";

/// Both keys and both anchors.
#[derive(Debug)]
pub struct Files {
    /// The volume as it is; the folder is where the caller says.
    old: Place,
    /// How it was used: what counts of its log after a crash.
    freshness: Freshness,
    new_key: VolumeKey,
    anchor: AnchorFile,
    new_anchor: AnchorFile,
}

impl Files {
    /// Of the volume at `old`, which gets `new_key`.
    ///
    /// # Errors
    /// [`Failure::Usage`] where that is the key it has, and with [`Freshness::None`]; [`Failure::NoAnchor`], or from the
    /// host.
    pub fn new(old: Place, freshness: Freshness, new_key: VolumeKey) -> Result<Self, Failure> {
        if freshness == Freshness::None {
            let message = "with freshness none no anchor says which key is the volume's: name another freshness";
            return Err(Failure::Usage(message.into()));
        }
        if old.key.is(&new_key) {
            return Err(Failure::Usage(
                "the new key is the one that the volume has: name another file".into(),
            ));
        }
        let AnchorFile { file, durability } = old.anchor.clone().ok_or(Failure::NoAnchor)?;
        let file = file.canonicalize().map_err(|error| Failure::at(&file, error))?;
        let mut beside = OsString::from(&file);
        beside.push(ADDED);
        Ok(Self {
            old,
            freshness,
            new_key,
            anchor: AnchorFile { file, durability },
            new_anchor: AnchorFile {
                file: PathBuf::from(beside),
                durability,
            },
        })
    }

    fn place(&self, folder: &Path, key: &VolumeKey, anchor: &AnchorFile) -> Place {
        Place {
            folder: folder.into(),
            key: key.clone(),
            anchor: Some(anchor.clone()),
            keeps_reads: self.old.keeps_reads,
        }
    }

    fn next(&self, folder: &Path) -> Place {
        self.place(folder, &self.new_key, &self.new_anchor)
    }

    fn present(&self, folder: &Path) -> Place {
        self.place(folder, &self.old.key, &self.anchor)
    }
}

impl Sides for Files {
    fn committed(&self, folder: &Path) -> Result<Volume, Failure> {
        self.place(folder, &self.new_key, &self.anchor).read(Freshness::Strict)
    }

    /// Nothing but a rekeying with these keys brings the new one and the anchor together.
    fn is_for_good(&self) -> bool {
        true
    }

    fn write_old(&self, folder: &Path) -> Result<Volume, Failure> {
        self.present(folder).write(self.freshness)
    }

    fn forget(&self, attempted: bool) -> Result<(), Failure> {
        let file = &self.new_anchor.file;
        if !attempted && file.exists() {
            let message = format!(
                "{} is there, and no rekeying left it: move it away first",
                file.display()
            );
            return Err(Failure::Usage(message));
        }
        match fs::remove_file(file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::at(file, error)),
            _ => Ok(()),
        }
    }

    fn create(&self, folder: &Path, form: &Form) -> Result<(), Failure> {
        let made = self
            .next(folder)
            .create(form.roots, Some(form.capacity), Some(form.log));
        made.map(drop)
    }

    fn write_new(&self, folder: &Path) -> Result<Volume, Failure> {
        self.next(folder).write(Freshness::Strict)
    }

    fn read_new(&self, folder: &Path) -> Result<Volume, Failure> {
        self.next(folder).read(Freshness::Strict)
    }

    fn commit(&self, old: &Volume) -> Result<(), Failure> {
        let (file, durability) = (&self.anchor.file, self.anchor.durability);
        let record = self.present(Path::new("")).record(Freshness::Strict)?;
        let record = record.ok_or(Failure::NoAnchor)?;
        check_unmoved(old, &record)?;
        let like = fs::metadata(file).map_err(|error| Failure::at(file, error))?;
        let by = &self.new_anchor.file;
        give_to(by, &like)?;
        fs::set_permissions(by, like.permissions()).map_err(|error| Failure::at(by, error))?;
        Ok(InsecureFile::open(file, durability)?.replace(file, &record, by)?)
    }
}

/// Refuses where the anchor is not as the old volume's writer left it.
fn check_unmoved(old: &Volume, record: &Record) -> Result<(), Failure> {
    let status = old.status();
    let mine = (record.volume, record.fence, record.generation);
    if mine == (old.identity(), status.fence, status.anchored) {
        Ok(())
    } else {
        Err(Failure::Volume(Error::Fenced(record.fence)))
    }
}
