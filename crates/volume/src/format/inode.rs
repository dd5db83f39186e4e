//! An inode: attributes, and the content of a small file or the target of a symbolic link.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bytes::{Put, Reader, check, short};
use super::{FILE, INLINE, Malformed, SYMLINK};

/// Seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl From<Time> for SystemTime {
    /// Nanoseconds count forwards from the second. What the type cannot hold becomes 1970.
    fn from(time: Time) -> Self {
        let seconds = Duration::from_secs(time.seconds.unsigned_abs());
        let whole = match time.seconds {
            0.. => UNIX_EPOCH.checked_add(seconds),
            _ => UNIX_EPOCH.checked_sub(seconds),
        };
        let nanoseconds = Duration::from_nanos(time.nanoseconds.into());
        whole
            .and_then(|whole| whole.checked_add(nanoseconds))
            .unwrap_or(UNIX_EPOCH)
    }
}

/// Type bits of a mode (stat(2)).
pub mod mode {
    pub const TYPE: u32 = 0o170_000;
    pub const FIFO: u32 = 0o010_000;
    pub const CHARACTER: u32 = 0o020_000;
    pub const DIRECTORY: u32 = 0o040_000;
    pub const BLOCK: u32 = 0o060_000;
    pub const FILE: u32 = 0o100_000;
    pub const SYMLINK: u32 = 0o120_000;
    pub const SOCKET: u32 = 0o140_000;
    /// Permissions, set-user-id, set-group-id, sticky.
    pub const PERMISSIONS: u32 = 0o7777;

    pub fn is_known(mode: u32) -> bool {
        let types = [FIFO, CHARACTER, DIRECTORY, BLOCK, FILE, SYMLINK, SOCKET];
        types.contains(&(mode & TYPE)) && mode & !(TYPE | PERMISSIONS) == 0
    }
}

/// As stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inode {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub links: u32,
    pub size: u64,
    pub accessed: Time,
    pub modified: Time,
    pub changed: Time,
    pub born: Time,
    pub device: u64,
    /// Of a directory: the inode of "..".
    pub parent: u64,
    /// Content of a file up to 2 KiB, or the target of a symbolic link.
    pub inline: Vec<u8>,
}

impl Inode {
    pub fn is_directory(&self) -> bool {
        self.mode & mode::TYPE == mode::DIRECTORY
    }

    pub fn is_file(&self) -> bool {
        self.mode & mode::TYPE == mode::FILE
    }

    pub fn is_symlink(&self) -> bool {
        self.mode & mode::TYPE == mode::SYMLINK
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let (mode, uid, gid, links) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
        let size = reader.u64()?;
        let mut times = [Time::default(); 4];
        for time in &mut times {
            *time = decode_time(&mut reader)?;
        }
        let [accessed, modified, changed, born] = times;
        let (device, parent) = (reader.u64()?, reader.u64()?);
        check(reader.u32()? == 0, "an inode has unknown flags")?;
        let length = reader.u16()?.into();
        let inline = reader.bytes(length)?.to_vec();
        reader.end()?;
        let inode = Self {
            mode,
            uid,
            gid,
            links,
            size,
            accessed,
            modified,
            changed,
            born,
            device,
            parent,
            inline,
        };
        inode.check()?;
        Ok(inode)
    }

    fn check(&self) -> Result<(), Malformed> {
        check(mode::is_known(self.mode), "an inode is of an unknown type")?;
        check(self.size <= FILE, "a file is too large")?;
        let most = if self.is_symlink() { SYMLINK } else { INLINE };
        let whole = self.inline.is_empty() && !self.is_symlink() || self.inline.len() as u64 == self.size;
        check(
            self.inline.len() <= most && whole,
            "an inode's content has not its size",
        )
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(94 + self.inline.len());
        out.put_u32(self.mode)
            .put_u32(self.uid)
            .put_u32(self.gid)
            .put_u32(self.links)
            .put_u64(self.size);
        for time in [self.accessed, self.modified, self.changed, self.born] {
            out.put_i64(time.seconds).put_u32(time.nanoseconds);
        }
        out.put_u64(self.device).put_u64(self.parent).put_u32(0);
        out.put_u16(short(self.inline.len())).put(&self.inline);
        out
    }
}

fn decode_time(reader: &mut Reader<'_>) -> Result<Time, Malformed> {
    let time = Time {
        seconds: reader.i64()?,
        nanoseconds: reader.u32()?,
    };
    check(time.nanoseconds < 1_000_000_000, "a time has too many nanoseconds")?;
    Ok(time)
}
