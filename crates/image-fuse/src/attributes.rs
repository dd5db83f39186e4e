//! Attributes as the kernel wants them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use casemate_erofs::{Time, kind};
use casemate_image::merged::Node;
use fuser::{FileAttr, FileType, INodeNo};

/// Size that programs are told to read in.
const PREFERRED: u32 = 128 * 1024;
/// What `st_blocks` counts in (stat(2)).
const SECTOR: u64 = 512;

/// All attributes of one inode.
pub fn attributes(node: &Node, links: u32) -> FileAttr {
    let inode = &node.inode;
    let modified = time(inode.modified);
    FileAttr {
        ino: INodeNo(node.number.bits()),
        size: inode.size,
        blocks: inode.size.div_ceil(SECTOR),
        atime: modified,
        mtime: modified,
        ctime: modified,
        crtime: modified,
        kind: of_mode(inode.mode),
        perm: inode.mode & !kind::MASK,
        nlink: links,
        uid: inode.uid,
        gid: inode.gid,
        rdev: inode.device,
        blksize: PREFERRED,
        flags: 0,
    }
}

/// Attributes that say that there is no such name: the kernel remembers that, too (inode 0).
pub fn absent() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: PREFERRED,
        flags: 0,
    }
}

/// The type in a mode.
pub fn of_mode(mode: u16) -> FileType {
    match mode & kind::MASK {
        kind::DIRECTORY => FileType::Directory,
        kind::LINK => FileType::Symlink,
        kind::CHARACTER => FileType::CharDevice,
        kind::BLOCK => FileType::BlockDevice,
        kind::FIFO => FileType::NamedPipe,
        kind::SOCKET => FileType::Socket,
        _ => FileType::RegularFile,
    }
}

fn time(time: Time) -> SystemTime {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole = if time.seconds < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    let fraction = Duration::from_nanos(time.nanoseconds.into());
    whole
        .and_then(|whole| whole.checked_add(fraction))
        .unwrap_or(UNIX_EPOCH)
}
