//! From paths to inodes. A volume in a process has one user, who may do everything: permissions are kept, not asked.

use std::collections::VecDeque;

use casemate_volume::{Attributes, Entry, Error, New, ROOT, Rename, Volume};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::session::Session;
use crate::trouble::Trouble;

/// Most symbolic links on one way, as in Linux (path_resolution(7)).
const LINKS: usize = 40;
/// Names that are listed at once.
const NAMES: usize = 256;

/// Where a path leads.
pub struct Located {
    directory: u64,
    name: Vec<u8>,
    found: Option<Attributes>,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Make it where it is not there, with these permissions.
    pub create: Option<u32>,
    /// Only where it is not there.
    pub exclusive: bool,
    /// Without what was in it.
    pub truncate: bool,
}

impl Located {
    fn must_be(self) -> Result<Attributes, Trouble> {
        Ok(self.found.ok_or(Error::NotFound)?)
    }
}

/// Follows a path from the root directory; of the last name, a symbolic link only where `follow` says so.
pub fn locate(volume: &mut Volume, path: &[u8], follow: bool) -> Result<Located, Trouble> {
    let mut rest: VecDeque<Vec<u8>> = names(path).collect();
    let mut at = root(volume)?;
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        let directory = at.found.ok_or(Error::NotFound)?.inode;
        let found = match volume.lookup(directory, &name) {
            Ok(found) => Some(found),
            Err(Error::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        match found.filter(|found| is(found, FileType::Symlink) && (follow || !rest.is_empty())) {
            None => at = Located { directory, name, found },
            Some(link) => {
                links += 1;
                if links > LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = volume.readlink(link.inode)?;
                if target.starts_with(b"/") {
                    at = root(volume)?;
                }
                rest = names(&target).chain(rest).collect();
            }
        }
    }
    Ok(at)
}

/// The names of a path; behind a slash at its end must be a directory.
fn names(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let ends = path.ends_with(b"/").then(|| b".".to_vec());
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.map(<[u8]>::to_vec).chain(ends)
}

fn root(volume: &mut Volume) -> Result<Located, Trouble> {
    Ok(Located {
        directory: ROOT,
        name: b".".to_vec(),
        found: Some(volume.attributes(ROOT)?),
    })
}

fn is(found: &Attributes, kind: FileType) -> bool {
    FileType::from_raw_mode(found.mode) == kind
}

/// What is at a path.
pub fn attributes(volume: &mut Volume, path: &[u8], follow: bool) -> Result<Attributes, Trouble> {
    locate(volume, path, follow)?.must_be()
}

/// Where a new name is to be. A slash at the end of a path is as good as none for a directory.
fn new_name(volume: &mut Volume, path: &[u8]) -> Result<(u64, Vec<u8>), Trouble> {
    let located = locate(volume, path, false)?;
    if located.found.is_some() {
        return Err(Error::Exists.into());
    }
    Ok((located.directory, located.name))
}

/// What a name that is there stands for, and where it is. "." and ".." cannot be taken away.
fn old_name(volume: &mut Volume, path: &[u8]) -> Result<(u64, Vec<u8>, Attributes), Trouble> {
    let located = locate(volume, path, false)?;
    let found = located.found.ok_or(Error::NotFound)?;
    if matches!(located.name.as_slice(), b"." | b"..") {
        return Err(Errno::INVAL.into());
    }
    Ok((located.directory, located.name, found))
}

fn without_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte != b'/');
    &path[..end.map_or(0, |last| last + 1)]
}

fn new(mode: u32) -> New {
    New {
        mode,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        device: 0,
    }
}

/// Makes a directory.
pub fn mkdir(volume: &mut Volume, path: &[u8], mode: u32) -> Result<(), Trouble> {
    let (directory, name) = new_name(volume, without_slashes(path))?;
    volume.mkdir(directory, &name, new(mode))?;
    Ok(())
}

/// Makes a symbolic link.
pub fn symlink(volume: &mut Volume, target: &[u8], path: &[u8]) -> Result<(), Trouble> {
    let (directory, name) = new_name(volume, path)?;
    volume.symlink(directory, &name, target, new(0))?;
    Ok(())
}

/// Gives a file another name.
pub fn link(volume: &mut Volume, from: &[u8], to: &[u8]) -> Result<(), Trouble> {
    let inode = attributes(volume, from, false)?.inode;
    let (directory, name) = new_name(volume, to)?;
    volume.link(inode, directory, &name)?;
    Ok(())
}

/// Opens a file: its inode.
pub fn open(volume: &mut Volume, path: &[u8], how: Opening) -> Result<u64, Trouble> {
    let located = locate(volume, path, !how.exclusive)?;
    let inode = match (located.found, how.create) {
        (Some(_), Some(_)) if how.exclusive => return Err(Error::Exists.into()),
        (Some(found), _) if is(&found, FileType::Directory) => return Err(Error::IsDirectory.into()),
        (Some(found), _) if !is(&found, FileType::RegularFile) => return Err(Errno::INVAL.into()),
        (Some(found), _) => found.inode,
        (None, Some(mode)) => {
            let new = new(FileType::RegularFile.as_raw_mode() | mode);
            volume.create_file(located.directory, &located.name, new)?.inode
        }
        (None, None) => return Err(Error::NotFound.into()),
    };
    if how.truncate {
        volume.truncate(inode, 0)?;
    }
    Ok(inode)
}

/// Takes a name away; the file goes with its last one.
pub fn unlink(session: &Session, volume: &mut Volume, path: &[u8]) -> Result<(), Trouble> {
    let (directory, name, found) = old_name(volume, path)?;
    volume.unlink(directory, &name)?;
    session.reap(volume, found.inode)
}

/// Removes an empty directory.
pub fn rmdir(session: &Session, volume: &mut Volume, path: &[u8]) -> Result<(), Trouble> {
    let (directory, name, found) = old_name(volume, without_slashes(path))?;
    volume.rmdir(directory, &name)?;
    session.reap(volume, found.inode)
}

/// Gives something another name, in place of what has that name.
pub fn rename(session: &Session, volume: &mut Volume, from: &[u8], to: &[u8]) -> Result<(), Trouble> {
    let (from_directory, from_name, _) = old_name(volume, without_slashes(from))?;
    let target = locate(volume, without_slashes(to), false)?;
    let (from, to) = (
        (from_directory, from_name.as_slice()),
        (target.directory, target.name.as_slice()),
    );
    volume.rename(from, to, Rename::Replace)?;
    target.found.map_or(Ok(()), |found| session.reap(volume, found.inode))
}

/// What is in a directory, without "." and "..".
pub fn list(volume: &mut Volume, path: &[u8]) -> Result<Vec<Entry>, Trouble> {
    let directory = attributes(volume, path, true)?.inode;
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let some = volume.readdir(directory, after, NAMES)?;
        let Some(last) = some.last() else { return Ok(all) };
        after = last.cookie;
        all.extend(some);
    }
}
