//! Attributes as the kernel wants them.

use std::time::{SystemTime, UNIX_EPOCH};

use casemate_volume::{Attributes, Clock, SystemClock, Time};
use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};
use rustix::fs::FileType as Kind;

/// Size that programs are told to read and write in.
const PREFERRED: u32 = 128 * 1024;
/// What `st_blocks` counts in (stat(2)).
const SECTOR: u64 = 512;
const BLOCK: u64 = 4096;

/// All attributes of one inode.
pub fn attributes(of: &Attributes) -> FileAttr {
    FileAttr {
        ino: INodeNo(of.inode),
        size: of.size,
        blocks: of.size.div_ceil(BLOCK) * (BLOCK / SECTOR),
        atime: of.accessed.into(),
        mtime: of.modified.into(),
        ctime: of.changed.into(),
        crtime: of.born.into(),
        kind: kind(of.mode),
        perm: permissions(of.mode),
        nlink: of.links,
        uid: of.uid,
        gid: of.gid,
        rdev: u32::try_from(of.device).unwrap_or(0),
        blksize: PREFERRED,
        flags: 0,
    }
}

/// Attributes that say that there is no such name: the kernel remembers that, too (inode 0).
pub fn absent() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        ..attributes(&Attributes::default())
    }
}

/// The type in a mode.
pub fn kind(mode: u32) -> FileType {
    match Kind::from_raw_mode(mode) {
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
        Kind::CharacterDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        _ => FileType::RegularFile,
    }
}

fn permissions(mode: u32) -> u16 {
    u16::try_from(mode & 0o7777).unwrap_or(0)
}

/// A time that a request carries.
pub fn time_or_now(time: TimeOrNow) -> Time {
    match time {
        TimeOrNow::SpecificTime(time) => self::time(time),
        TimeOrNow::Now => SystemClock.now(),
    }
}

/// fuser 0.18 (which is right the other way) reads seconds `-s` and nanoseconds `n` as `s` seconds and `n` nanoseconds before 1970: undone here.
pub fn time(time: SystemTime) -> Time {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => Time {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: since.subsec_nanos(),
        },
        Err(before) => Time {
            seconds: i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
            nanoseconds: before.duration().subsec_nanos(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_before_1970_come_back_as_fuser_gives_them() {
        // What fuser 0.18 makes of -2 s and 500,000,000 ns.
        let given = UNIX_EPOCH - Duration::new(2, 500_000_000);
        let kept = time(given);
        assert_eq!((kept.seconds, kept.nanoseconds), (-2, 500_000_000));
        assert_eq!(SystemTime::from(kept), UNIX_EPOCH - Duration::new(1, 500_000_000));
    }
}
