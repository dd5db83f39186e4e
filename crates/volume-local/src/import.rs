//! From a folder of the host into a volume: everything that a file system knows of a tree.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use casemate_volume::{Changes, New, Shared, Time};
use rustix::fs::{lgetxattr, llistxattr};

use crate::Failure;
use crate::progress::{Listener, Progress};

/// Bytes that are read and written at once.
const STEP: usize = 1 << 20;
/// Longest list of names of attributes, and longest value (xattr(7)).
const ATTRIBUTES: usize = 64 * 1024;

/// What an import copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Names, of directories too.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// Copies what is in `source` into a directory of the volume. What is there already is not replaced. What was copied
/// before a failure is there.
///
/// # Errors
/// Those of the volume and of the host, with the path that they are about.
pub fn import(volume: &Shared, source: &Path, into: u64, listener: Listener<'_>) -> Result<Imported, Failure> {
    let mut importer = Importer {
        volume,
        links: HashMap::new(),
        progress: Progress::of(size(source)?, listener),
        buffer: vec![0; STEP],
        imported: Imported { files: 0, bytes: 0 },
    };
    importer.folder(source, into)?;
    importer.progress.end()?;
    Ok(importer.imported)
}

struct Importer<'a> {
    volume: &'a Shared,
    /// Inode in the volume of each file of the host with several names.
    links: HashMap<(u64, u64), u64>,
    progress: Progress<'a>,
    buffer: Vec<u8>,
    imported: Imported,
}

impl Importer<'_> {
    fn folder(&mut self, source: &Path, into: u64) -> Result<(), Failure> {
        for (name, path) in entries(source)? {
            let metadata = fs::symlink_metadata(&path).map_err(|error| Failure::at(&path, error))?;
            self.entry(&path, name.as_bytes(), &metadata, into)
                .map_err(|failure| failure.about(&path))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &[u8], metadata: &Metadata, into: u64) -> Result<(), Failure> {
        self.imported.files += 1;
        let known = (metadata.dev(), metadata.ino());
        if let Some(inode) = self.links.get(&known) {
            self.volume.with(|volume| volume.link(*inode, into, name))?;
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
            let made = self.volume.with(|volume| volume.mkdir(into, name, new))?.inode;
            self.folder(path, made)?;
            made
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(|error| Failure::at(path, error))?;
            let target = target.as_os_str().as_bytes();
            let link = self.volume.with(|volume| volume.symlink(into, name, target, new));
            link?.inode
        } else {
            let made = self.volume.with(|volume| volume.create_file(into, name, new))?.inode;
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
        let mut file = File::open(path).map_err(|error| Failure::at(path, error))?;
        let mut offset = 0;
        loop {
            let count = read(&mut file, &mut self.buffer).map_err(|error| Failure::at(path, error))?;
            let bytes = &self.buffer[..count];
            if bytes.iter().any(|byte| *byte != 0) {
                self.volume.write(inode, offset, bytes)?;
            }
            offset += count as u64;
            self.imported.bytes += count as u64;
            self.progress.more(count as u64)?;
            if count < self.buffer.len() {
                break;
            }
        }
        self.volume.with(|volume| volume.truncate(inode, offset))?;
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
            let length = lgetxattr(path, &wanted, &mut value).map_err(|error| Failure::at(path, error))?;
            let value = &value[..length];
            self.volume
                .with(|volume| volume.set_attribute(inode, &name, value, None))?;
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
        self.volume.with(|volume| volume.set_attributes(inode, &changes))?;
        Ok(())
    }
}

/// Names in a folder, in order: the same source makes the same volume.
fn entries(folder: &Path) -> Result<Vec<(OsString, PathBuf)>, Failure> {
    let listed = fs::read_dir(folder).map_err(|error| Failure::at(folder, error))?;
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry.map_err(|error| Failure::at(folder, error))?;
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
            let metadata = fs::symlink_metadata(&path).map_err(|error| Failure::at(&path, error))?;
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
