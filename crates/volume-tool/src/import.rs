//! From a folder of the host into a volume: everything that a file system knows of a tree.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use casemate_volume::{Changes, Error, New, Time, Volume};
use rustix::fs::{lgetxattr, llistxattr};
use serde_json::{Value, json};

use crate::progress::Progress;
use crate::report::Failure;

/// Bytes that are read and written at once.
const STEP: usize = 1 << 20;
/// Longest list of names of attributes, and longest value (xattr(7)).
const ATTRIBUTES: usize = 64 * 1024;

/// Copies what is in `source` into a directory of the volume. What is there already is not replaced.
pub fn import(volume: &mut Volume, source: &Path, into: u64) -> Result<Value, Failure> {
    let mut importer = Importer {
        volume,
        links: HashMap::new(),
        progress: Progress::of(size(source)?),
        buffer: vec![0; STEP],
        files: 0,
        bytes: 0,
    };
    importer.folder(source, into)?;
    let (files, bytes) = (importer.files, importer.bytes);
    Ok(json!({"files": files, "bytes": bytes}))
}

struct Importer<'a> {
    volume: &'a mut Volume,
    /// Inode in the volume of each file of the host with several names.
    links: HashMap<(u64, u64), u64>,
    progress: Progress,
    buffer: Vec<u8>,
    files: u64,
    bytes: u64,
}

impl Importer<'_> {
    fn folder(&mut self, source: &Path, into: u64) -> Result<(), Failure> {
        for (name, path) in entries(source)? {
            let metadata = fs::symlink_metadata(&path).map_err(|error| at(&path, &error))?;
            self.entry(&path, name.as_bytes(), &metadata, into)
                .map_err(|failure| failure.about(&path))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &[u8], metadata: &Metadata, into: u64) -> Result<(), Failure> {
        self.files += 1;
        let known = (metadata.dev(), metadata.ino());
        if let Some(inode) = self.links.get(&known) {
            self.volume.link(*inode, into, name)?;
            return Ok(());
        }
        let new = New {
            mode: metadata.mode(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            device: metadata.rdev(),
        };
        let kind = metadata.file_type();
        let inode = if kind.is_dir() {
            let made = self.volume.mkdir(into, name, new)?.inode;
            self.folder(path, made)?;
            made
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(|error| at(path, &error))?;
            self.volume
                .symlink(into, name, target.as_os_str().as_bytes(), new)?
                .inode
        } else {
            let made = self.volume.create_file(into, name, new)?.inode;
            if kind.is_file() {
                self.content(path, made)?;
            }
            made
        };
        if metadata.nlink() > 1 && !kind.is_dir() {
            self.links.insert(known, inode);
        }
        self.attributes(path, inode)?;
        self.times(metadata, inode)
    }

    /// Blocks of zeros become holes.
    fn content(&mut self, path: &Path, inode: u64) -> Result<(), Failure> {
        let mut file = File::open(path).map_err(|error| at(path, &error))?;
        let mut offset = 0;
        loop {
            let count = read(&mut file, &mut self.buffer).map_err(|error| at(path, &error))?;
            let bytes = &self.buffer[..count];
            if bytes.iter().any(|byte| *byte != 0) {
                self.volume.write(inode, offset, bytes)?;
            }
            offset += count as u64;
            self.bytes += count as u64;
            self.progress.more(count as u64);
            if count < self.buffer.len() {
                break;
            }
        }
        self.volume.truncate(inode, offset)?;
        Ok(())
    }

    fn attributes(&mut self, path: &Path, inode: u64) -> Result<(), Failure> {
        let mut room = vec![0; ATTRIBUTES];
        // A file system that knows no attributes has none.
        let length = llistxattr(path, &mut room).unwrap_or(0);
        let names: Vec<Vec<u8>> = room[..length].split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            let mut value = vec![0; ATTRIBUTES];
            let wanted = OsString::from_vec(name.clone());
            let length = lgetxattr(path, &wanted, &mut value).map_err(|error| at(path, &error.into()))?;
            self.volume.set_attribute(inode, &name, &value[..length], None)?;
        }
        Ok(())
    }

    fn times(&mut self, metadata: &Metadata, inode: u64) -> Result<(), Failure> {
        let time = |seconds, nanoseconds: i64| Time {
            seconds,
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
        };
        let changes = Changes {
            accessed: Some(time(metadata.atime(), metadata.atime_nsec())),
            modified: Some(time(metadata.mtime(), metadata.mtime_nsec())),
            ..Changes::default()
        };
        self.volume.set_attributes(inode, &changes)?;
        Ok(())
    }
}

/// Names in a folder, in order: the same source makes the same volume.
fn entries(folder: &Path) -> Result<Vec<(OsString, PathBuf)>, Failure> {
    let listed = fs::read_dir(folder).map_err(|error| at(folder, &error))?;
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry.map_err(|error| at(folder, &error))?;
        entries.push((entry.file_name(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

fn size(source: &Path) -> Result<u64, Failure> {
    let mut total = 0;
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for (_, path) in entries(&folder)? {
            let metadata = fs::symlink_metadata(&path).map_err(|error| at(&path, &error))?;
            total += if metadata.is_file() { metadata.len() } else { 0 };
            folders.extend(metadata.is_dir().then_some(path));
        }
    }
    Ok(total)
}

fn read(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read(&mut buffer[done..])? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::host(&path.display().to_string(), error)
}

impl Failure {
    fn about(self, path: &Path) -> Self {
        let named = self.message.contains(&*path.to_string_lossy());
        Self {
            message: if named {
                self.message
            } else {
                format!("{}: {}", path.display(), self.message)
            },
            ..self
        }
    }
}

/// Where in the volume: the directory of a path, which must be there.
pub fn directory(volume: &mut Volume, path: &str) -> Result<u64, Error> {
    let mut at = casemate_volume::ROOT;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = volume.lookup(at, name.as_bytes())?.inode;
    }
    Ok(at)
}
