//! Places in a root that somebody else made, where links lead about: never out of it, and never into what is mounted
//! in it, which may be the host's.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, move_mount};

use super::tree::{give, write_all};
use super::{Owner, PlacedFile};
use crate::failure::{Exit, Failure};
use crate::manifest::parents;

/// Mode of folders that are not in the image.
const FOLDER_MODE: u32 = 0o755;
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY);
/// Of a new file; what is there is never replaced.
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW);

/// Attaches a mount at a folder of this process's root.
pub fn attach(mount: &OwnedFd, path: &str) -> Result<(), Failure> {
    let place = open(path, FOLDER, 0).map_err(refused(path))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount.as_fd(), "", place.as_fd(), "", flags).map_err(refused(path))
}

/// Opens a folder; makes it, and those above it, if they are not there.
pub fn folder(path: &str) -> Result<OwnedFd, Failure> {
    let mut last = open("/", FOLDER, 0).map_err(refused(path))?;
    for part in parents(path).chain([path]) {
        last = match open(part, FOLDER, 0) {
            Err(Errno::NOENT) => make(&last, part).and_then(|()| open(part, FOLDER, 0)),
            opened => opened,
        }
        .map_err(refused(path))?;
    }
    Ok(last)
}

fn make(above: &OwnedFd, path: &str) -> Result<(), Errno> {
    let name = path.rsplit('/').next().unwrap_or_default();
    mkdirat(above.as_fd(), name, Mode::from_raw_mode(FOLDER_MODE))
}

/// Refuses a place of the shield's own that is a link.
pub fn real_folder(path: &str) -> Result<(), Failure> {
    folder(path)?;
    let resolve = ResolveFlags::NO_SYMLINKS;
    let opened = openat2(CWD, path, FOLDER | OFlags::CLOEXEC, Mode::empty(), resolve);
    opened.map(drop).map_err(refused(path))
}

/// Places a file of the policy; a path that is taken is never replaced.
pub fn place(file: &PlacedFile, owner: Owner) -> Result<(), Failure> {
    folder_of(&file.path)?;
    let created = open(&file.path, NEW_FILE, file.mode).map_err(refused(&file.path))?;
    give(&created, owner)?;
    write_all(&created, &file.content).map_err(refused(&file.path))
}

/// Writes a file where there is none, or an empty one; anything else stays as it is.
pub fn fill(path: &str, content: &str) -> Result<(), Failure> {
    let filled = match open(path, OFlags::PATH | OFlags::NOFOLLOW, 0) {
        Err(Errno::NOENT) => {
            folder_of(path)?;
            open(path, NEW_FILE, 0o644)
        }
        Ok(there) => {
            let status = fstat(&there).map_err(refused(path))?;
            if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile || status.st_size > 0 {
                return Ok(());
            }
            open(path, OFlags::WRONLY | OFlags::NOFOLLOW, 0)
        }
        Err(error) => Err(error),
    };
    let written = filled.and_then(|file| write_all(&file, content.as_bytes()));
    written.map_err(refused(path))
}

fn folder_of(path: &str) -> Result<(), Failure> {
    match path.rsplit_once('/') {
        Some((above, _)) if !above.is_empty() => folder(above).map(drop),
        _ => Ok(()),
    }
}

fn open(path: &str, flags: OFlags, mode: u32) -> Result<OwnedFd, Errno> {
    let root = rustix::fs::open("/", FOLDER | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    openat2(root, path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(mode), resolve)
}

fn refused(path: &str) -> impl FnOnce(Errno) -> Failure {
    move |error| {
        let why = match error {
            Errno::XDEV => "it leads into another place".to_owned(),
            Errno::EXIST => "there is something already".to_owned(),
            error => error.to_string(),
        };
        Failure::with_its_own_cure(
            Exit::Confinement,
            format!("{path} cannot be made in the private root: {why}; name another place, or build another image"),
        )
    }
}
