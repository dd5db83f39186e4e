//! A new file that has its name once it is whole: whoever is killed while writing one leaves nothing behind.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// To be written by its owner alone.
pub struct Arising {
    file: File,
    target: PathBuf,
    /// The file system has no files without a name: it stands at its place from the start, until this is dropped.
    unfinished: bool,
}

impl Arising {
    /// What is at `target` already is never replaced.
    pub fn create(target: &Path) -> io::Result<Self> {
        let (mode, flags) = (Mode::RUSR | Mode::WUSR, OFlags::RDWR | OFlags::CLOEXEC);
        let folder = target.parent().unwrap_or(Path::new("/"));
        let nameless = rustix::fs::open(folder, flags | OFlags::TMPFILE, mode);
        // As open(2) says of O_TMPFILE: of file systems, and of kernels, that know no such.
        let unknown = matches!(nameless, Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL));
        let file = if unknown {
            rustix::fs::open(target, flags | OFlags::CREATE | OFlags::EXCL, mode)?
        } else {
            nameless?
        };
        Ok(Self {
            file: file.into(),
            target: target.to_owned(),
            unfinished: unknown,
        })
    }

    /// What it is written with.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name. An error where another has that meanwhile.
    pub fn finish(mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.unfinished) {
            let open = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            rustix::fs::linkat(CWD, open, CWD, &self.target, AtFlags::SYMLINK_FOLLOW)?;
        }
        Ok(())
    }
}

impl Drop for Arising {
    fn drop(&mut self) {
        if self.unfinished {
            // It is half a file. Who dropped it has an error to tell already.
            let _ = std::fs::remove_file(&self.target);
        }
    }
}
