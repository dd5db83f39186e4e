//! Requests of the kernel, one method each (linux/fuse.h, protocol 7.31 and later).

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use casemate_volume::{Allocate, Attributes, Changes, Entry, Error, New, Rename, Seek, Shared, Volume};
use fuser::{
    BsdFileFlags, Errno, FileHandle, Filesystem, Generation, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags,
    RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
    ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use parking_lot::Mutex;
use rustix::fs::FileType;

use crate::acl;
use crate::attributes::{absent, attributes, kind, time, time_or_now};
use crate::known::Known;
use crate::listing::{PARENT, list};
use crate::privileges::{SET_GROUP_ID, shed};
use crate::searches::{Search, Searches, answer};

/// How long the kernel may believe an answer: nobody else changes the volume.
const FOR_GOOD: Duration = Duration::from_secs(365 * 24 * 3600);
/// Bytes of one read or write.
const REQUEST: u32 = 1 << 20;
/// Requests that the kernel may have under way without anybody waiting.
const BACKGROUND: u16 = 64;
/// Inode numbers are never used again.
const GENERATION: Generation = Generation(0);

/// What makes a mount fast, where the kernel knows it. Write-back above all: it turns small writes into large ones.
/// What is masked and what inherited is decided here.
const WANTED: [InitFlags; 13] = [
    InitFlags::FUSE_WRITEBACK_CACHE,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_NO_OPEN_SUPPORT,
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_ASYNC_READ,
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
    InitFlags::FUSE_MAX_PAGES,
    InitFlags::FUSE_DONT_MASK,
];

thread_local! {
    /// Where each thread reads into.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A volume as the kernel sees it.
#[derive(Debug)]
pub struct Front {
    volume: Arc<Shared>,
    /// The kernel checks permissions, and lists of them.
    checked: bool,
    searches: Searches,
    /// Locked while the volume is, never the other way round.
    known: Mutex<Known>,
}

impl Front {
    pub fn new(volume: Arc<Shared>, checked: bool, searches: Searches) -> Self {
        Self {
            volume,
            checked,
            searches,
            known: Mutex::default(),
        }
    }

    /// Runs what gives the kernel an inode.
    fn entry(&self, reply: ReplyEntry, action: impl FnOnce(&mut Volume) -> Result<Attributes, Error>) {
        let found = self.volume.with(|volume| {
            let found = action(volume)?;
            self.known.lock().add(found.inode);
            Ok(found)
        });
        match found {
            Ok(found) => reply.entry(&FOR_GOOD, &attributes(&found), GENERATION),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn attributes(&self, reply: ReplyAttr, outcome: Result<Attributes, Error>) {
        match outcome {
            Ok(found) => reply.attr(&FOR_GOOD, &attributes(&found)),
            Err(error) => reply.error(errno(&error)),
        }
    }
}

fn done(reply: ReplyEmpty, outcome: Result<(), Error>) {
    match outcome {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(&error)),
    }
}

fn errno(error: &Error) -> Errno {
    Errno::from_i32(error.errno())
}

/// What a new inode gets: in a directory with set-group-id, its group.
fn new(volume: &mut Volume, parent: INodeNo, request: &Request, mode: u32, device: u32) -> Result<New, Error> {
    let above = volume.attributes(parent.0)?;
    let inherits = above.mode & SET_GROUP_ID != 0;
    Ok(New {
        mode,
        uid: request.uid(),
        gid: if inherits { above.gid } else { request.gid() },
        device: device.into(),
    })
}

/// The kernel does not know an inode any more: without names, it goes.
fn let_go(volume: &mut Volume, inode: u64) -> Result<(), Error> {
    match volume.attributes(inode) {
        Ok(attributes) if attributes.links == 0 => volume.reap(inode),
        Ok(_) | Err(Error::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether an extended attribute may have this name (xattr(7)): others belong to file systems that give them a meaning.
fn is_attribute(name: &[u8]) -> bool {
    let spaces: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
    spaces.iter().any(|space| name.starts_with(space)) || acl::Kind::of(name).is_some()
}

/// A value, or its length where the kernel only asks for that.
fn value(reply: ReplyXattr, size: u32, outcome: Result<Vec<u8>, Error>) {
    match outcome {
        Err(error) => reply.error(errno(&error)),
        Ok(value) if size == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
    }
}

impl Filesystem for Front {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for flag in WANTED {
            let _ = config.add_capabilities(flag);
        }
        if self.checked {
            let _ = config.add_capabilities(InitFlags::FUSE_POSIX_ACL);
        }
        if config.capabilities().contains(InitFlags::FUSE_WRITEBACK_CACHE) {
            // It keeps the times of what it writes, then.
            let _ = self.volume.with(|volume| {
                volume.leave_times();
                Ok(())
            });
        }
        let _ = config.set_max_write(REQUEST);
        let _ = config.set_max_background(BACKGROUND);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.volume.with(|volume| {
            let found = volume.lookup(parent.0, name.as_bytes())?;
            self.known.lock().add(found.inode);
            Ok(found)
        });
        match found {
            Ok(found) => reply.entry(&FOR_GOOD, &attributes(&found), GENERATION),
            Err(Error::NotFound) => reply.entry(&FOR_GOOD, &absent(), GENERATION),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn forget(&self, _request: &Request, inode: INodeNo, count: u64) {
        // Nobody waits for an answer; what stays is removed by the next mount.
        let _ = self.volume.with(|volume| {
            if self.known.lock().forget(inode.0, count) {
                return let_go(volume, inode.0);
            }
            Ok(())
        });
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        let found = self.volume.with(|volume| volume.attributes(inode.0));
        self.attributes(reply, found);
    }

    fn setattr(
        &self,
        request: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        changed: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changes = Changes {
            mode,
            uid,
            gid,
            accessed: accessed.map(time_or_now),
            modified: modified.map(time_or_now),
            changed: changed.map(time),
        };
        // fuser does not pass on who lacks CAP_FSETID; here, everybody but root.
        let sheds = mode.is_none() && (uid.is_some() || gid.is_some() || size.is_some() && request.uid() != 0);
        let set = |volume: &mut Volume| {
            if let Some(size) = size {
                volume.truncate(inode.0, size)?;
            }
            if size.is_none() || changes != Changes::default() {
                volume.set_attributes(inode.0, &changes)?;
            }
            if let Some(mode) = mode {
                acl::follow_mode(volume, inode.0, mode)?;
            }
            if sheds || size.is_some() {
                shed(volume, &mut self.known.lock().bare, inode.0, sheds)?;
            }
            volume.attributes(inode.0)
        };
        self.attributes(reply, self.volume.with(set));
    }

    fn readlink(&self, _request: &Request, inode: INodeNo, reply: ReplyData) {
        match self.volume.with(|volume| volume.readlink(inode.0)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        self.entry(reply, |volume| {
            let mut new = new(volume, parent, request, mode, device)?;
            let inherited = acl::inherit(volume, parent.0, &mut new, umask)?;
            let made = volume.create_file(parent.0, name.as_bytes(), new)?;
            let given = inherited.give(volume, made);
            given.or_else(|error| volume.unlink(parent.0, name.as_bytes()).and(Err(error)))
        });
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        self.entry(reply, |volume| {
            let mut new = new(volume, parent, request, mode | FileType::Directory.as_raw_mode(), 0)?;
            new.mode |= volume.attributes(parent.0)?.mode & SET_GROUP_ID;
            let inherited = acl::inherit(volume, parent.0, &mut new, umask)?;
            let made = volume.mkdir(parent.0, name.as_bytes(), new)?;
            let given = inherited.give(volume, made);
            given.or_else(|error| volume.rmdir(parent.0, name.as_bytes()).and(Err(error)))
        });
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.entry(reply, |volume| {
            let new = new(volume, parent, request, 0, 0)?;
            let target = target.as_os_str().as_bytes();
            volume.symlink(parent.0, name.as_bytes(), target, new)
        });
    }

    fn link(&self, _request: &Request, inode: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.entry(reply, |volume| volume.link(inode.0, parent.0, name.as_bytes()));
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(
            reply,
            self.volume.with(|volume| volume.unlink(parent.0, name.as_bytes())),
        );
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(
            reply,
            self.volume.with(|volume| volume.rmdir(parent.0, name.as_bytes())),
        );
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let how = match flags {
            flags if flags.is_empty() => Rename::Replace,
            RenameFlags::RENAME_NOREPLACE => Rename::Keep,
            RenameFlags::RENAME_EXCHANGE => Rename::Exchange,
            _ => return reply.error(Errno::EINVAL),
        };
        let (from, to) = ((parent.0, name.as_bytes()), (new_parent.0, new_name.as_bytes()));
        done(reply, self.volume.with(|volume| volume.rename(from, to, how)));
    }

    /// Files need no opening: the kernel asks once and never again.
    fn open(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    /// Likewise: the kernel goes on with mknod.
    fn create(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        reply.error(Errno::ENOSYS);
    }

    /// Likewise: the kernel keeps what it read of directories.
    fn opendir(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn read(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        BUFFER.with_borrow_mut(|buffer| {
            let size = size as usize;
            if buffer.len() < size {
                buffer.resize(size, 0);
            }
            match self.volume.read(inode.0, offset, &mut buffer[..size]) {
                Ok(count) => reply.data(&buffer[..count]),
                Err(error) => reply.error(errno(&error)),
            }
        });
    }

    fn write(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        flags: WriteFlags,
        _open_flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let sheds = |volume: &mut Volume| {
            let set_ids = flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID);
            shed(volume, &mut self.known.lock().bare, inode.0, set_ids)
        };
        let written = self.volume.write(inode.0, offset, data);
        match written.and_then(|()| self.volume.with(sheds)) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(0)),
            Err(error) => reply.error(errno(&error)),
        }
    }

    /// Nothing is left to do at a close: the kernel asks once and never again.
    fn flush(&self, _request: &Request, _inode: INodeNo, _handle: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn fsync(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.volume.fsync_then(inode.0, |outcome| done(reply, outcome));
    }

    fn fsyncdir(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        self.volume.fsync_then(inode.0, |outcome| done(reply, outcome));
    }

    fn readdir(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let add = |_: &mut Volume, entry: &Entry| {
            let name = OsStr::from_bytes(&entry.name);
            Ok(reply.add(INodeNo(entry.inode), entry.cookie, kind(entry.kind), name))
        };
        match self.volume.with(|volume| list(volume, inode.0, offset, add)) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn readdirplus(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let add = |volume: &mut Volume, entry: &Entry| {
            let found = attributes(&volume.attributes(entry.inode)?);
            let name = OsStr::from_bytes(&entry.name);
            let full = reply.add(INodeNo(entry.inode), entry.cookie, name, &FOR_GOOD, &found, GENERATION);
            // The kernel does not count "." and "..".
            if !full && entry.cookie > PARENT {
                self.known.lock().add(entry.inode);
            }
            Ok(full)
        };
        match self.volume.with(|volume| list(volume, inode.0, offset, add)) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn fallocate(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let keep_size = mode & KEEP_SIZE != 0;
        let how = match mode & !KEEP_SIZE {
            0 => Allocate::Reserve { keep_size },
            PUNCH_HOLE if keep_size => Allocate::Punch,
            ZERO_RANGE => Allocate::Zero { keep_size },
            _ => return reply.error(Errno::EOPNOTSUPP),
        };
        let allocate = |volume: &mut Volume| volume.allocate(inode.0, offset, length, how).map(drop);
        done(reply, self.volume.with(allocate));
    }

    fn lseek(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let what = match whence {
            SEEK_DATA => Seek::Data,
            SEEK_HOLE => Seek::Hole,
            _ => return reply.error(Errno::EINVAL),
        };
        let search = Search {
            inode: inode.0,
            from: u64::try_from(offset).unwrap_or(u64::MAX),
            what,
        };
        let known = search.known(&self.volume);
        if search.is_certain(&known) {
            return answer(reply, known);
        }
        // Whoever takes them lives as long as this; if not, dropping the reply answers with EIO.
        let _ = self.searches.send((search, reply));
    }

    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        match self.volume.with(|volume| Ok(volume.statistics())) {
            Ok(found) => {
                let (block, name) = (
                    u32::try_from(found.block).unwrap_or(0),
                    u32::try_from(found.name).unwrap_or(0),
                );
                // Inodes are made as they are needed: 0 says that nobody counts them.
                reply.statfs(found.blocks, found.free, found.available, 0, 0, block, name, block);
            }
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn setxattr(
        &self,
        request: &Request,
        inode: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        if !is_attribute(name.as_bytes()) {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let exists = match flags {
            0 => None,
            CREATE => Some(false),
            REPLACE => Some(true),
            _ => return reply.error(Errno::EINVAL),
        };
        let set = |volume: &mut Volume| {
            self.known.lock().bare.remove(&inode.0);
            match acl::Kind::of(name.as_bytes()) {
                Some(kind) => {
                    let keeps_group_id = request.uid() == 0 || request.gid() == volume.attributes(inode.0)?.gid;
                    acl::set(volume, inode.0, kind, value, keeps_group_id)
                }
                None => volume.set_attribute(inode.0, name.as_bytes(), value, exists),
            }
        };
        done(reply, self.volume.with(set));
    }

    fn getxattr(&self, _request: &Request, inode: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let found = self.volume.with(|volume| volume.attribute(inode.0, name.as_bytes()));
        value(reply, size, found);
    }

    fn listxattr(&self, _request: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        let names = self.volume.with(|volume| volume.attribute_names(inode.0));
        let joined = names.map(|names| names.into_iter().flat_map(|name| [name, vec![0]].concat()).collect());
        value(reply, size, joined);
    }

    fn removexattr(&self, _request: &Request, inode: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let remove = |volume: &mut Volume| match acl::Kind::of(name.as_bytes()) {
            Some(kind) => acl::remove(volume, inode.0, kind),
            None => volume.remove_attribute(inode.0, name.as_bytes()),
        };
        done(reply, self.volume.with(remove));
    }
}

/// FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE (fallocate(2)).
const KEEP_SIZE: i32 = 0x01;
const PUNCH_HOLE: i32 = 0x02;
const ZERO_RANGE: i32 = 0x10;
/// SEEK_DATA and SEEK_HOLE (lseek(2)).
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;
/// XATTR_CREATE and XATTR_REPLACE (setxattr(2)).
const CREATE: i32 = 1;
const REPLACE: i32 = 2;
