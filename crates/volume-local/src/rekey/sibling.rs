//! The folder beside a volume's: where the new volume is made, and where the old one goes.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use casemate_volume::host::rekeyed_beside;
use rustix::fs::{AtFlags, CWD, RenameFlags, StatxAttributes, StatxFlags, renameat_with, statvfs, statx};

use crate::Failure;

/// An empty file that says that a folder is ours to delete. It never decides which volume counts.
const MARK: &str = "rekey";
/// A second one, to see whether the host's file system exchanges names.
const PROBE: &str = "rekey-probe";

/// A volume's folder and the one beside it.
#[derive(Debug)]
pub struct Sibling {
    folder: PathBuf,
    beside: PathBuf,
}

impl Sibling {
    /// Of the volume in `folder`. Refuses what could not be exchanged.
    pub fn of(folder: &Path) -> Result<Self, Failure> {
        let folder = folder.canonicalize().map_err(|error| Failure::at(folder, error))?;
        let beside =
            rekeyed_beside(&folder).ok_or_else(|| Failure::Usage("a volume needs a folder with a name".into()))?;
        let attributes = statx(CWD, &folder, AtFlags::empty(), StatxFlags::empty());
        let attributes = attributes.map_err(|error| Failure::at(&folder, error))?.stx_attributes;
        if attributes.contains(StatxAttributes::MOUNT_ROOT) {
            let message =
                "is a mount, and cannot be exchanged with a folder beside it: move the volume into a folder in it";
            return Err(Failure::Usage(format!("{} {message}", folder.display())));
        }
        only_a_volume(&folder)?;
        Ok(Self { folder, beside })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// Whether anything lies beside the volume.
    pub fn is_there(&self) -> bool {
        self.beside.symlink_metadata().is_ok()
    }

    /// Whether an earlier attempt left the folder beside; refuses one that is somebody else's.
    pub fn is_left(&self) -> Result<bool, Failure> {
        let Ok(found) = self.beside.symlink_metadata() else {
            return Ok(false);
        };
        let foreign = || {
            Failure::Usage(format!(
                "{} is not of a rekeying: move it away first",
                self.beside.display()
            ))
        };
        if !found.is_dir() {
            return Err(foreign());
        }
        only_a_volume(&self.beside)?;
        let is_empty = names(&self.beside)?.is_empty();
        if !is_empty && !self.beside.join(MARK).exists() {
            return Err(foreign());
        }
        Ok(true)
    }

    /// Refuses where the host has no room for so many bytes more.
    pub fn require_room(&self, needed: u64) -> Result<(), Failure> {
        let host = statvfs(&self.folder).map_err(|error| Failure::at(&self.folder, error))?;
        let free = host.f_bavail.saturating_mul(host.f_frsize);
        if free < needed {
            return Err(Failure::NoRoom { needed, free });
        }
        Ok(())
    }

    /// Makes the folder beside, where nothing lies. Both are marked: whichever lies beside is ours to delete.
    pub fn make(&self) -> Result<(), Failure> {
        let failed = |error| Failure::at(&self.beside, error);
        fs::create_dir(&self.beside).map_err(failed)?;
        // The anchor will name what is in it.
        flush_names(&self.beside)?;
        mark(&self.beside)?;
        mark(&self.folder)?;
        let probe = self.beside.join(PROBE);
        fs::write(&probe, []).map_err(failed)?;
        let exchanged = swap(&self.beside.join(MARK), &probe);
        fs::remove_file(&probe).map_err(failed)?;
        exchanged.map_err(|error| {
            let _ = self.discard();
            Failure::host("exchange names, which this file system must be able to", error)
        })
    }

    /// Gives the folder beside, and all in it, the owner and the mode that the volume has.
    pub fn take_after(&self) -> Result<(), Failure> {
        let like = fs::metadata(&self.folder).map_err(|error| Failure::at(&self.folder, error))?;
        for name in names(&self.beside)? {
            let path = self.beside.join(&name);
            let own = fs::metadata(self.folder.join(&name)).unwrap_or_else(|_| like.clone());
            give_to(&path, &own)?;
        }
        give_to(&self.beside, &like)?;
        let mode = fs::set_permissions(&self.beside, like.permissions());
        mode.map_err(|error| Failure::at(&self.beside, error))
    }

    /// Exchanges both folders.
    pub fn exchange(&self) -> Result<(), Failure> {
        swap(&self.folder, &self.beside).map_err(|error| Failure::at(&self.folder, error))?;
        flush_names(&self.folder)?;
        self.unmark()
    }

    /// Removes what says that the volume's own folder is ours to delete.
    pub fn unmark(&self) -> Result<(), Failure> {
        remove(&self.folder.join(MARK))
    }

    /// Deletes the folder beside, with the files that a volume has.
    pub fn discard(&self) -> Result<(), Failure> {
        if !self.is_left()? {
            return Ok(());
        }
        let (marks, files): (Vec<_>, Vec<_>) = names(&self.beside)?.into_iter().partition(|name| name == MARK);
        for name in files.iter().chain(&marks) {
            remove(&self.beside.join(name))?;
        }
        fs::remove_dir(&self.beside).map_err(|error| Failure::at(&self.beside, error))?;
        flush_names(&self.beside)
    }
}

fn swap(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

fn mark(folder: &Path) -> Result<(), Failure> {
    let path = folder.join(MARK);
    fs::write(&path, []).map_err(|error| Failure::at(&path, error))?;
    flush_names(&path)
}

/// A name is durable once its folder is.
fn flush_names(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let flushed = fs::File::open(folder).and_then(|folder| folder.sync_all());
    flushed.map_err(|error| Failure::at(folder, error))
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::at(path, error)),
        _ => Ok(()),
    }
}

pub fn give_to(path: &Path, like: &Metadata) -> Result<(), Failure> {
    let own = fs::metadata(path).map_err(|error| Failure::at(path, error))?;
    if (own.uid(), own.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    chown(path, Some(like.uid()), Some(like.gid())).map_err(|error| Failure::at(path, error))
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, Failure> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    listed.map_err(|error: io::Error| Failure::at(folder, error))
}

/// Refuses a folder with anything but a volume's files: they would be exchanged and deleted with it.
fn only_a_volume(folder: &Path) -> Result<(), Failure> {
    match names(folder)?.iter().find(|name| !is_ours(name)) {
        None => Ok(()),
        Some(name) => {
            let path = folder.join(name);
            let message = format!("{} is no file of a volume: move it elsewhere first", path.display());
            Err(Failure::Usage(message))
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let index = name.strip_prefix("segment-");
    ["superblock", "log", "lock", MARK, PROBE].contains(&name.as_ref())
        || index.is_some_and(|index| index.len() == 8 && index.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
