//! Making entries below one folder, without ever following a link.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fchown, mkdirat, openat2, symlinkat};
use rustix::io::Errno;

use super::{Owner, PlacedFile};
use crate::failure::{Exit, Failure};
use crate::manifest::parents;

/// Mode of folders that no entry of the manifest names.
const UNNAMED_FOLDER: u32 = 0o555;

/// A file system that is being filled.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
    folders: HashSet<String>,
}

impl Tree {
    /// Starts from an empty file system.
    pub fn new(root: OwnedFd) -> Self {
        Self {
            root,
            folders: HashSet::new(),
        }
    }

    /// The file system's root folder.
    pub fn descriptor(&self) -> &OwnedFd {
        &self.root
    }

    /// The same, for good.
    pub fn into_descriptor(self) -> OwnedFd {
        self.root
    }

    /// Makes a folder, and those above it, unless it is there.
    pub fn directory(&mut self, path: &str) -> Result<(), Failure> {
        self.directory_with(path, UNNAMED_FOLDER)
    }

    /// The same with a mode.
    pub fn directory_with(&mut self, path: &str, mode: u32) -> Result<(), Failure> {
        self.folders_above(path)?;
        self.one_folder(path, mode)
    }

    /// Makes a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), Failure> {
        self.folders_above(path)?;
        symlinkat(target, self.root.as_fd(), relative(path)).map_err(refused(path))
    }

    /// Makes a new file and opens it to be written.
    pub fn file(&mut self, path: &str, mode: u32) -> Result<OwnedFd, Failure> {
        self.folders_above(path)?;
        self.create(path, mode).map_err(refused(path))
    }

    /// Places a file of the policy; a path that is taken is never replaced.
    pub fn place(&mut self, file: &PlacedFile, owner: Owner) -> Result<(), Failure> {
        self.folders_above(&file.path)?;
        let created = self.create(&file.path, file.mode).map_err(refused(&file.path))?;
        give(&created, owner)?;
        write_all(&created, &file.content).map_err(refused(&file.path))
    }

    fn create(&self, path: &str, mode: u32) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        openat2(
            self.root.as_fd(),
            relative(path),
            flags,
            Mode::from_raw_mode(mode),
            resolve,
        )
    }

    fn folders_above(&mut self, path: &str) -> Result<(), Failure> {
        parents(path).try_for_each(|folder| self.one_folder(folder, UNNAMED_FOLDER))
    }

    fn one_folder(&mut self, path: &str, mode: u32) -> Result<(), Failure> {
        if self.folders.contains(path) {
            return Ok(());
        }
        mkdirat(self.root.as_fd(), relative(path), Mode::from_raw_mode(mode)).map_err(refused(path))?;
        self.folders.insert(path.to_owned());
        Ok(())
    }
}

/// Gives a file or the root of a mount to `owner`.
pub fn give(file: &OwnedFd, owner: Owner) -> Result<(), Failure> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    // Roots of mounts are known by O_PATH descriptors, which fchown refuses.
    let given = fchown(file, uid, gid).or_else(|_| chownat(file.as_fd(), "", uid, gid, AtFlags::EMPTY_PATH));
    given.map_err(Failure::because(
        Exit::Confinement,
        "the workload's files cannot be given to its user",
    ))
}

/// Writes all of `content`.
pub fn write_all(file: &OwnedFd, mut content: &[u8]) -> Result<(), Errno> {
    while !content.is_empty() {
        match rustix::io::write(file, content) {
            Ok(written) => content = &content[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn refused(path: &str) -> impl FnOnce(Errno) -> Failure {
    move |error| {
        Failure::new(
            Exit::Confinement,
            format!("{path} cannot be made in the private root: {error}"),
        )
    }
}
