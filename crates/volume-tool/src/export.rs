//! From a volume into a new folder of the host. What cannot be verified is not written.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use casemate_volume::{Attributes, Error, ROOT, Volume};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, mknodat};
use serde_json::{Value, json};

use crate::progress::Progress;
use crate::report::Failure;

const STEP: usize = 1 << 20;
const NAMES: usize = 256;

/// Copies the whole volume into `target`, a folder that must be new. With `salvage`, what is refused is left out and
/// named; otherwise it ends the export.
pub fn export(volume: &mut Volume, target: &Path, salvage: bool) -> Result<Value, Failure> {
    fs::create_dir(target).map_err(|error| at(target, &error))?;
    let statistics = volume.statistics();
    let mut exporter = Exporter {
        volume,
        links: HashMap::new(),
        progress: Progress::of((statistics.blocks - statistics.free) * statistics.block),
        buffer: vec![0; STEP],
        salvage,
        files: 0,
        lost: Vec::new(),
    };
    exporter.folder(ROOT, target)?;
    let root = exporter.volume.attributes(ROOT)?;
    exporter.dress(target, &root)?;
    Ok(json!({"files": exporter.files, "lost": exporter.lost}))
}

struct Exporter<'a> {
    volume: &'a mut Volume,
    /// Where each inode with several names was written first.
    links: HashMap<u64, PathBuf>,
    progress: Progress,
    buffer: Vec<u8>,
    salvage: bool,
    files: u64,
    lost: Vec<Value>,
}

impl Exporter<'_> {
    fn folder(&mut self, inode: u64, target: &Path) -> Result<(), Failure> {
        let mut after = 0;
        loop {
            let listed = self.volume.readdir(inode, after, NAMES);
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
        let found = self.volume.attributes(inode);
        let Some(attributes) = self.or_lost(target, found)? else {
            return Ok(());
        };
        if let Some(first) = self.links.get(&inode) {
            self.files += 1;
            return fs::hard_link(first, target).map_err(|error| at(target, &error));
        }
        let written = match FileType::from_raw_mode(attributes.mode) {
            FileType::Directory => {
                fs::create_dir(target).map_err(|error| at(target, &error))?;
                self.folder(inode, target)?;
                true
            }
            FileType::RegularFile => self.file(&attributes, target)?,
            FileType::Symlink => self.link(inode, target)?,
            kind => {
                let made = mknodat(CWD, target, kind, Mode::from_raw_mode(0o600), attributes.device);
                made.map_err(|error| at(target, &error.into()))?;
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
        let read = self.volume.readlink(inode);
        let Some(to) = self.or_lost(target, read)? else {
            return Ok(false);
        };
        symlink(OsStr::from_bytes(&to), target).map_err(|error| at(target, &error))?;
        Ok(true)
    }

    fn file(&mut self, attributes: &Attributes, target: &Path) -> Result<bool, Failure> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(target);
        let file = file.map_err(|error| at(target, &error))?;
        match self.content(attributes, &file, target) {
            Ok(()) => Ok(true),
            Err(failure) if self.salvage && failure.code == "tampered" => {
                // Half of a file would pass for all of it.
                fs::remove_file(target).map_err(|error| at(target, &error))?;
                self.lose(target, failure.message);
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }

    fn content(&mut self, attributes: &Attributes, file: &File, target: &Path) -> Result<(), Failure> {
        file.set_len(attributes.size).map_err(|error| at(target, &error))?;
        let mut offset = 0;
        while offset < attributes.size {
            let count = self.volume.read(attributes.inode, offset, &mut self.buffer)?;
            let bytes = &self.buffer[..count];
            if bytes.iter().any(|byte| *byte != 0) {
                file.write_all_at(bytes, offset).map_err(|error| at(target, &error))?;
            }
            offset += count as u64;
            self.progress.more(count as u64);
        }
        Ok(())
    }

    /// Attributes, owner, permissions and times: in this order, since each may take away what came before.
    fn dress(&mut self, target: &Path, attributes: &Attributes) -> Result<(), Failure> {
        let failed = |error: std::io::Error| at(target, &error);
        let listed = self.volume.attribute_names(attributes.inode);
        for name in self.or_lost(target, listed)?.unwrap_or_default() {
            let value = self.volume.attribute(attributes.inode, &name)?;
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
        self.lost.push(json!({"path": target.to_string_lossy(), "why": why}));
    }
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::host(&path.display().to_string(), error)
}
