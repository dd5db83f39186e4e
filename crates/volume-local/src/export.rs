//! From a volume into a new folder of the host. What cannot be verified is not written.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use casemate_volume::{Attributes, Error, ROOT, Shared};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, mknodat};

use crate::Failure;
use crate::progress::{Listener, Progress};

const STEP: usize = 1 << 20;
const NAMES: usize = 256;

/// What an export copied.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Names, of directories too.
    pub files: u64,
    /// What was left out. Always empty unless that was asked for.
    pub lost: Vec<Lost>,
}

/// Something that was refused, and therefore left out.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Where it would be.
    pub path: PathBuf,
    /// Why it is not.
    pub why: String,
}

/// Copies the whole volume into `target`, a folder that must be new. With `salvage`, what is refused is left out and
/// named; otherwise it ends the export.
///
/// # Errors
/// Those of the volume and of the host, with the path that they are about.
pub fn export(volume: &Shared, target: &Path, salvage: bool, listener: Listener<'_>) -> Result<Exported, Failure> {
    fs::create_dir(target).map_err(|error| Failure::at(target, error))?;
    let statistics = volume.with(|volume| Ok(volume.statistics()))?;
    let mut exporter = Exporter {
        volume,
        links: HashMap::new(),
        progress: Progress::of((statistics.blocks - statistics.free) * statistics.block, listener),
        buffer: vec![0; STEP],
        salvage,
        files: 0,
        lost: Vec::new(),
    };
    exporter.folder(ROOT, target)?;
    let root = volume.with(|volume| volume.attributes(ROOT))?;
    exporter.dress(target, &root)?;
    exporter.progress.end()?;
    Ok(Exported {
        files: exporter.files,
        lost: exporter.lost,
    })
}

struct Exporter<'a> {
    volume: &'a Shared,
    /// Where each inode with several names was written first.
    links: HashMap<u64, PathBuf>,
    progress: Progress<'a>,
    buffer: Vec<u8>,
    salvage: bool,
    files: u64,
    lost: Vec<Lost>,
}

impl Exporter<'_> {
    fn folder(&mut self, inode: u64, target: &Path) -> Result<(), Failure> {
        let mut after = 0;
        loop {
            let listed = self.volume.with(|volume| volume.readdir(inode, after, NAMES));
            let Some(entries) = self.or_lost(target, listed)? else {
                return Ok(());
            };
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.cookie;
            for entry in &entries {
                self.entry(entry.inode, &target.join(OsStr::from_bytes(&entry.name)))?;
            }
        }
    }

    fn entry(&mut self, inode: u64, target: &Path) -> Result<(), Failure> {
        let found = self.volume.with(|volume| volume.attributes(inode));
        let Some(attributes) = self.or_lost(target, found)? else {
            return Ok(());
        };
        if let Some(first) = self.links.get(&inode) {
            self.files += 1;
            return fs::hard_link(first, target).map_err(|error| Failure::at(target, error));
        }
        let written = match FileType::from_raw_mode(attributes.mode) {
            FileType::Directory => {
                fs::create_dir(target).map_err(|error| Failure::at(target, error))?;
                self.folder(inode, target)?;
                true
            }
            FileType::RegularFile => self.file(&attributes, target)?,
            FileType::Symlink => self.link(inode, target)?,
            kind => {
                let made = mknodat(CWD, target, kind, Mode::from_raw_mode(0o600), attributes.device);
                made.map_err(|error| Failure::at(target, error))?;
                true
            }
        };
        if !written {
            return Ok(());
        }
        self.files += 1;
        if attributes.links > 1 && FileType::from_raw_mode(attributes.mode) != FileType::Directory {
            self.links.insert(inode, target.to_owned());
        }
        self.dress(target, &attributes)
    }

    fn link(&mut self, inode: u64, target: &Path) -> Result<bool, Failure> {
        let read = self.volume.with(|volume| volume.readlink(inode));
        let Some(to) = self.or_lost(target, read)? else {
            return Ok(false);
        };
        symlink(OsStr::from_bytes(&to), target).map_err(|error| Failure::at(target, error))?;
        Ok(true)
    }

    fn file(&mut self, attributes: &Attributes, target: &Path) -> Result<bool, Failure> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(target);
        let file = file.map_err(|error| Failure::at(target, error))?;
        match self.content(attributes, &file, target) {
            Ok(()) => Ok(true),
            Err(Failure::Volume(refused @ Error::Tampered { .. })) if self.salvage => {
                // Half of a file would pass for all of it.
                fs::remove_file(target).map_err(|error| Failure::at(target, error))?;
                self.lose(target, refused.to_string());
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    fn content(&mut self, attributes: &Attributes, file: &File, target: &Path) -> Result<(), Failure> {
        file.set_len(attributes.size)
            .map_err(|error| Failure::at(target, error))?;
        let mut offset = 0;
        while offset < attributes.size {
            let count = self.volume.read(attributes.inode, offset, &mut self.buffer)?;
            let bytes = &self.buffer[..count];
            if bytes.iter().any(|byte| *byte != 0) {
                file.write_all_at(bytes, offset)
                    .map_err(|error| Failure::at(target, error))?;
            }
            offset += count as u64;
            self.progress.more(count as u64)?;
        }
        Ok(())
    }

    /// Attributes, owner, permissions and times: in this order, since each may take away what came before.
    fn dress(&mut self, target: &Path, attributes: &Attributes) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::at(target, error);
        let listed = self.volume.with(|volume| volume.attribute_names(attributes.inode));
        for name in self.or_lost(target, listed)?.unwrap_or_default() {
            let value = self.volume.with(|volume| volume.attribute(attributes.inode, &name))?;
            let set = lsetxattr(target, OsStr::from_bytes(&name), &value, XattrFlags::empty());
            set.map_err(|error| failed(error.into()))?;
        }
        if rustix::process::geteuid().is_root() {
            lchown(target, Some(attributes.uid), Some(attributes.gid)).map_err(failed)?;
        }
        if FileType::from_raw_mode(attributes.mode) == FileType::Symlink {
            return Ok(());
        }
        let permissions = Permissions::from_mode(attributes.mode & 0o7777);
        fs::set_permissions(target, permissions).map_err(failed)?;
        let times = FileTimes::new()
            .set_accessed(attributes.accessed.into())
            .set_modified(attributes.modified.into());
        // A pipe cannot be opened for this, and a file without permissions only by root: its time is no loss.
        let plain = matches!(
            FileType::from_raw_mode(attributes.mode),
            FileType::RegularFile | FileType::Directory
        );
        if let Some(file) = plain.then(|| File::open(target).ok()).flatten() {
            file.set_times(times).map_err(failed)?;
        }
        Ok(())
    }

    /// What the volume answered, or nothing where it is refused and others are to be saved.
    fn or_lost<T>(&mut self, target: &Path, answer: Result<T, Error>) -> Result<Option<T>, Failure> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(error @ Error::Tampered { .. }) if self.salvage => {
                self.lose(target, error.to_string());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn lose(&mut self, target: &Path, why: String) {
        self.lost.push(Lost {
            path: target.into(),
            why,
        });
    }
}
