//! A new file that has its name once it is whole, and on the disk: whoever is killed while writing one leaves nothing
//! behind, and no crash leaves a name over half a file.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

const MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FLAGS: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC);

/// To be written by its owner alone.
pub struct Arising {
    file: File,
    folder: OwnedFd,
    name: OsString,
    /// What it is called meanwhile, where the file system has no files without a name.
    temporary: Option<String>,
}

impl Arising {
    /// What is at `target` already is never replaced.
    pub fn create(target: &Path) -> io::Result<Self> {
        let (folder, name) = place(target)?;
        let nameless = rustix::fs::openat(&folder, ".", FLAGS | OFlags::TMPFILE, MODE);
        // As open(2) says of O_TMPFILE: of file systems, and of kernels, that know no such.
        if matches!(nameless, Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL)) {
            return Self::named(folder, name);
        }
        Ok(Self {
            file: nameless?.into(),
            folder,
            name,
            temporary: None,
        })
    }

    /// Under a name that nobody else has until it takes its own: by that, it can be removed whatever comes to be there.
    fn named(folder: OwnedFd, name: OsString) -> io::Result<Self> {
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no random bytes"))?;
        let temporary = format!(".new.{:032x}", u128::from_be_bytes(random));
        let flags = FLAGS | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&folder, &temporary, flags, MODE)?.into();
        Ok(Self {
            file,
            folder,
            name,
            temporary: Some(temporary),
        })
    }

    /// What it is written with.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name, once it is on the disk; the name is there too then. An error where another has that meanwhile.
    pub fn finish(self) -> io::Result<()> {
        self.finish_by(|open| Ok(rustix::fs::fsync(open)?))
    }

    /// `sync` brings to the disk what a file or a folder has by then.
    fn finish_by(mut self, mut sync: impl FnMut(BorrowedFd<'_>) -> io::Result<()>) -> io::Result<()> {
        sync(self.file.as_fd())?;
        match &self.temporary {
            None => {
                let open = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(CWD, open, &self.folder, &self.name, AtFlags::SYMLINK_FOLLOW)?;
            }
            Some(temporary) => {
                if self.renamed(temporary)? {
                    self.temporary = None;
                }
            }
        }
        // The temporary name goes before that, where it is still there.
        self.forget();
        sync(self.folder.as_fd())
    }

    /// False where it has both names now: file systems that rename over what is there only have hard links.
    fn renamed(&self, temporary: &str) -> io::Result<bool> {
        let (folder, keep) = (&self.folder, RenameFlags::NOREPLACE);
        match rustix::fs::renameat_with(folder, temporary, folder, &self.name, keep) {
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(folder, temporary, folder, &self.name, AtFlags::empty())?;
                Ok(false)
            }
            done => Ok(done.map(|()| true)?),
        }
    }

    fn forget(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // Who dropped it has an error to tell already, or has the whole file.
            let _ = rustix::fs::unlinkat(&self.folder, temporary, AtFlags::empty());
        }
    }
}

impl Drop for Arising {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The folder, and the name in it.
fn place(target: &Path) -> io::Result<(OwnedFd, OsString)> {
    let name = target.file_name().ok_or(Errno::INVAL)?;
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok((rustix::fs::open(folder, flags, Mode::empty())?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

    use std::fs;
    use std::io::Write;

    use rustix::fs::FileType;
    use tempfile::TempDir;

    use super::*;

    /// With and without files that have no name.
    const WAYS: [fn(&Path) -> io::Result<Arising>; 2] = [Arising::create, |target| {
        let (folder, name) = place(target)?;
        Arising::named(folder, name)
    }];

    fn names(folder: &TempDir) -> Vec<OsString> {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn it_has_its_name_once_it_is_finished_and_no_other() {
        for create in WAYS {
            let folder = TempDir::new().unwrap();
            let target = folder.path().join("target");
            let arising = create(&target).unwrap();
            arising.file().write_all(b"whole").unwrap();
            assert!(!target.exists());
            arising.finish().unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"whole");
            assert_eq!(names(&folder), ["target"]);
        }
    }

    #[test]
    fn until_then_it_has_no_name() {
        let folder = TempDir::new().unwrap();
        let arising = Arising::create(&folder.path().join("target")).unwrap();
        arising.file().write_all(b"half").unwrap();
        assert!(names(&folder).is_empty());
    }

    #[test]
    fn its_bytes_are_on_the_disk_before_its_name_and_its_name_before_its_end() {
        for create in WAYS {
            let folder = TempDir::new().unwrap();
            let target = folder.path().join("target");
            let arising = create(&target).unwrap();
            arising.file().write_all(b"whole").unwrap();
            let mut synced = Vec::new();
            let done = arising.finish_by(|open| {
                let status = rustix::fs::fstat(open)?;
                let is_folder = FileType::from_raw_mode(status.st_mode) == FileType::Directory;
                synced.push((is_folder, target.exists()));
                assert!(is_folder || status.st_size == 5);
                assert!(!is_folder || names(&folder) == ["target"]);
                Ok(())
            });
            done.unwrap();
            assert_eq!(synced, [(false, false), (true, true)]);
        }
    }

    #[test]
    fn what_does_not_reach_the_disk_has_no_name_and_a_name_that_does_not_is_an_error() {
        for create in WAYS {
            for (fails, left) in [(1, &[][..]), (2, &["target"])] {
                let folder = TempDir::new().unwrap();
                let arising = create(&folder.path().join("target")).unwrap();
                let mut syncs = 0;
                let done = arising.finish_by(|_| {
                    syncs += 1;
                    if syncs == fails { Err(Errno::IO.into()) } else { Ok(()) }
                });
                assert_eq!(done.unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
                assert_eq!(names(&folder), left);
            }
        }
    }

    #[test]
    fn what_came_to_be_there_meanwhile_stays_whether_it_is_finished_or_given_up() {
        for create in WAYS {
            for finish in [true, false] {
                let folder = TempDir::new().unwrap();
                let target = folder.path().join("target");
                let arising = create(&target).unwrap();
                fs::write(&target, b"theirs").unwrap();
                if finish {
                    assert_eq!(arising.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
                } else {
                    drop(arising);
                }
                assert_eq!(fs::read(&target).unwrap(), b"theirs");
                assert_eq!(names(&folder), ["target"]);
            }
        }
    }
}
