//! Files of folders that somebody else may own.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use crate::report::Failure;

/// A regular file to be read: never what a link leads to, never a pipe that lets whoever opens it wait.
pub fn regular(path: &Path) -> Result<File, Failure> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let file = opened.map_err(|error| Failure::host(path, &error.into()))?;
    let status = rustix::fs::fstat(&file).map_err(|error| Failure::host(path, &error.into()))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Failure::host(path, &std::io::Error::other("it is no regular file")));
    }
    Ok(file.into())
}
