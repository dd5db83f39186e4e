//! Requests of the kernel, one method each (linux/fuse.h, protocol 7.31 and later).

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use casemate_erofs::ReadError;
use casemate_image::merged::{Merged, Named, Node, Number};
use fuser::{
    Errno, FileAttr, FileHandle, Filesystem, Generation, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};

use crate::attributes::{absent, attributes, of_mode};

/// Hears why something was answered with EIO: a program only learns that it was.
pub type Listener = Box<dyn Fn(&ReadError) + Send + Sync>;

/// How long the kernel may believe an answer: nothing changes.
const FOR_GOOD: Duration = Duration::from_secs(365 * 24 * 3600);
/// Bytes that the kernel may read ahead at once.
const READ_AHEAD: u32 = 1 << 20;
/// Requests that the kernel may have under way without anybody waiting.
const BACKGROUND: u16 = 64;
const GENERATION: Generation = Generation(0);
/// Longest name.
const NAME: u32 = 255;

const WANTED: [InitFlags; 9] = [
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_NO_OPEN_SUPPORT,
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_ASYNC_READ,
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
    InitFlags::FUSE_MAX_PAGES,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
];

type Listing = Arc<Vec<Named>>;

thread_local! {
    /// Where each thread reads into.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// An image as the kernel sees it.
pub struct Front {
    image: Arc<Merged>,
    listener: Listener,
    owner: Option<(u32, u32)>,
    /// The directory that was listed last: the kernel asks for a long one in parts.
    listed: Mutex<Option<(Number, Listing)>>,
}

impl Front {
    pub fn new(image: Arc<Merged>, listener: Listener, owner: Option<(u32, u32)>) -> Self {
        Self {
            image,
            listener,
            owner,
            listed: Mutex::default(),
        }
    }

    fn listing(&self, directory: Number) -> Result<Listing, ReadError> {
        let last = self.listed().clone();
        if let Some((_, listing)) = last.filter(|(of, _)| *of == directory) {
            return Ok(listing);
        }
        let listing = Arc::new(self.image.entries(directory)?);
        *self.listed() = Some((directory, Arc::clone(&listing)));
        Ok(listing)
    }

    fn listed(&self) -> MutexGuard<'_, Option<(Number, Listing)>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shown(&self, node: &Node, links: u32) -> FileAttr {
        let mut attributes = attributes(node, links);
        if let Some((uid, gid)) = self.owner {
            (attributes.uid, attributes.gid) = (uid, gid);
        }
        attributes
    }

    fn node(&self, inode: INodeNo) -> Result<Node, ReadError> {
        let number = Number::from_bits(inode.0);
        let inode = self.image.inode(number)?;
        Ok(Node { number, inode })
    }

    fn errno(&self, error: &ReadError) -> Errno {
        if matches!(error, ReadError::NotFound) {
            return Errno::ENOENT;
        }
        (self.listener)(error);
        Errno::EIO
    }

    fn value(&self, inode: INodeNo, name: &OsStr) -> Result<Option<Vec<u8>>, ReadError> {
        let mut extended = self.image.extended(Number::from_bits(inode.0))?;
        Ok(extended.remove(name.as_bytes()))
    }
}

/// What a listing has from an offset on, each with the offset behind it.
fn from(entries: &[Named], offset: u64) -> impl Iterator<Item = (u64, &Named)> {
    (1..).zip(entries).skip(usize::try_from(offset).unwrap_or(usize::MAX))
}

fn answer(reply: ReplyXattr, size: u32, value: &[u8]) {
    match u32::try_from(value.len()) {
        Ok(length) if size == 0 => reply.size(length),
        Ok(length) if length <= size => reply.data(value),
        _ => reply.error(Errno::ERANGE),
    }
}

impl Filesystem for Front {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for flag in WANTED {
            let _ = config.add_capabilities(flag);
        }
        if !self.image.is_plain() {
            let _ = config.add_capabilities(InitFlags::FUSE_POSIX_ACL);
        }
        let _ = config.set_max_readahead(READ_AHEAD);
        let _ = config.set_max_write(READ_AHEAD);
        let _ = config.set_max_background(BACKGROUND);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.image.lookup(Number::from_bits(parent.0), name.as_bytes());
        let found = found.and_then(|node| Ok((node, self.image.links(&node)?)));
        match found {
            Ok((node, links)) => reply.entry(&FOR_GOOD, &self.shown(&node, links), GENERATION),
            Err(ReadError::NotFound) => reply.entry(&FOR_GOOD, &absent(), GENERATION),
            Err(error) => reply.error(self.errno(&error)),
        }
    }

    fn getattr(&self, _request: &Request, inode: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        let found = self.node(inode).and_then(|node| Ok((node, self.image.links(&node)?)));
        match found {
            Ok((node, links)) => reply.attr(&FOR_GOOD, &self.shown(&node, links)),
            Err(error) => reply.error(self.errno(&error)),
        }
    }

    fn readlink(&self, _request: &Request, inode: INodeNo, reply: ReplyData) {
        match self.image.target(Number::from_bits(inode.0)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(self.errno(&error)),
        }
    }

    /// Files need no opening: the kernel asks once and never again.
    fn open(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    /// Likewise.
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
            buffer.resize(buffer.len().max(size as usize), 0);
            let room = &mut buffer[..size as usize];
            let node = self.node(inode);
            match node.and_then(|node| self.image.content(node.number, &node.inode, offset, room)) {
                Ok(count) => reply.data(&buffer[..count]),
                Err(error) => reply.error(self.errno(&error)),
            }
        });
    }

    fn readdir(&self, _request: &Request, inode: INodeNo, _handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let entries = match self.listing(Number::from_bits(inode.0)) {
            Ok(entries) => entries,
            Err(error) => return reply.error(self.errno(&error)),
        };
        for (cookie, entry) in from(&entries, offset) {
            // The kernel looks names up; what a listing says of numbers is for those who do not.
            let name = OsStr::from_bytes(&entry.name);
            if reply.add(INodeNo(UNKNOWN), cookie, of_mode(entry.kind), name) {
                break;
            }
        }
        reply.ok();
    }

    /// Names with all that looking each of them up would tell. The kernel asks for this where somebody does that.
    fn readdirplus(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let directory = Number::from_bits(inode.0);
        let entries = match self.listing(directory) {
            Ok(entries) => entries,
            Err(error) => return reply.error(self.errno(&error)),
        };
        for (cookie, entry) in from(&entries, offset) {
            let found = self.image.node(directory, entry);
            let (node, links) = match found.and_then(|node| Ok((node, self.image.links(&node)?))) {
                Ok(found) => found,
                Err(error) => return reply.error(self.errno(&error)),
            };
            let (name, shown) = (OsStr::from_bytes(&entry.name), self.shown(&node, links));
            if reply.add(shown.ino, cookie, name, &FOR_GOOD, &shown, GENERATION) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        let (blocks, inodes) = self.image.size();
        let block = casemate_erofs::BLOCK as u32;
        reply.statfs(blocks, 0, 0, inodes, 0, block, NAME, block);
    }

    /// Where nothing has any, the kernel asks once and never again; else overlayfs does for each file, and whoever is not
    /// the owner.
    fn getxattr(&self, _request: &Request, inode: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        if self.image.is_plain() {
            return reply.error(Errno::ENOSYS);
        }
        match self.value(inode, name) {
            Ok(Some(value)) => answer(reply, size, &value),
            Ok(None) => reply.error(Errno::ENODATA),
            Err(error) => reply.error(self.errno(&error)),
        }
    }

    fn listxattr(&self, _request: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        match self.image.extended(Number::from_bits(inode.0)) {
            Ok(extended) => {
                let names = extended.into_keys().flat_map(|name| [name, vec![0]].concat());
                answer(reply, size, &names.collect::<Vec<_>>());
            }
            Err(error) => reply.error(self.errno(&error)),
        }
    }
}

/// FUSE_UNKNOWN_INO (linux/fuse.h).
const UNKNOWN: u64 = 0xffff_ffff;
