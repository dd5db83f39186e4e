//! Attributes of inodes, and of the volume.

use super::Volume;
use super::flush::Target;
use super::room::Need;
use crate::Error;
use crate::format::inode::{Inode, Time, mode};
use crate::format::{BLOCK, NAME};

/// What stat(2) says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Number.
    pub inode: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names, of a directory also "." and the ".." of those below.
    pub links: u32,
    /// Bytes.
    pub size: u64,
    /// Last read, where somebody sets it: the engine does not.
    pub accessed: Time,
    /// Last change of content.
    pub modified: Time,
    /// Last change of anything.
    pub changed: Time,
    /// Creation.
    pub born: Time,
    /// Of a device: its number.
    pub device: u64,
}

impl Attributes {
    pub(super) fn of(number: u64, inode: &Inode) -> Self {
        Self {
            inode: number,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            links: inode.links,
            size: inode.size,
            accessed: inode.accessed,
            modified: inode.modified,
            changed: inode.changed,
            born: inode.born,
            device: inode.device,
        }
    }
}

/// Attributes to set; the others stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Permissions; type bits are ignored.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Last read.
    pub accessed: Option<Time>,
    /// Last change of content.
    pub modified: Option<Time>,
    /// Last change of anything: now, unless a front that keeps the times of writes itself says so.
    pub changed: Option<Time>,
}

/// What statfs(2) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes of a block.
    pub block: u64,
    /// Blocks of the volume.
    pub blocks: u64,
    /// Blocks that nothing uses.
    pub free: u64,
    /// Blocks that an application may still fill.
    pub available: u64,
    /// Longest name.
    pub name: usize,
}

impl Volume {
    /// Attributes of an inode.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn attributes(&mut self, inode: u64) -> Result<Attributes, Error> {
        let value = self.inode(inode)?;
        Ok(Attributes::of(inode, &value))
    }

    /// Sets attributes. Logged at once, after the file's data; times of a file with unlogged writes wait with these.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for times with too many nanoseconds.
    pub fn set_attributes(&mut self, inode: u64, changes: &Changes) -> Result<Attributes, Error> {
        let times = [changes.accessed, changes.modified, changes.changed];
        if times
            .into_iter()
            .flatten()
            .any(|time| time.nanoseconds >= 1_000_000_000)
        {
            return Err(Error::Invalid);
        }
        self.check_writable()?;
        if self.touch_again(inode, changes) {
            return self.attributes(inode);
        }
        self.operate(Need::OPERATION, |this| this.set_attributes_now(inode, changes))
    }

    /// Leaves files' times to the front: from now on, what changes a file's content changes no time, and the front says
    /// them itself ([`Self::set_attributes`]). For a kernel that writes back: it keeps the times of what it has not
    /// written yet, and says them in no order with what it writes, so that a time of ours could come last and be
    /// another one than programs saw.
    pub fn leave_times(&mut self) {
        self.times_left = true;
    }

    /// Sets the times of a file whose size and times wait for the log already; whether that was all there was to do.
    fn touch_again(&mut self, inode: u64, changes: &Changes) -> bool {
        let others = changes.mode.is_some() || changes.uid.is_some() || changes.gid.is_some();
        let now = self.clock.now();
        let waiting = self.files.get_mut(&inode).and_then(|pages| pages.touched.as_mut());
        match waiting {
            Some(touched) if !others && changes.accessed.is_none() => {
                touched.modified = changes.modified.unwrap_or(touched.modified);
                touched.changed = changes.changed.unwrap_or(now);
                true
            }
            _ => false,
        }
    }

    fn set_attributes_now(&mut self, inode: u64, changes: &Changes) -> Result<Attributes, Error> {
        self.flush_file(inode, Target::Log)?;
        let mut value = self.stored_inode(inode)?;
        if let Some(permissions) = changes.mode {
            value.mode = value.mode & mode::TYPE | permissions & mode::PERMISSIONS;
        }
        value.uid = changes.uid.unwrap_or(value.uid);
        value.gid = changes.gid.unwrap_or(value.gid);
        value.accessed = changes.accessed.unwrap_or(value.accessed);
        value.modified = changes.modified.unwrap_or(value.modified);
        value.changed = changes.changed.unwrap_or_else(|| self.clock.now());
        self.set_inode(inode, &value)?;
        self.attributes(inode)
    }

    /// Room in the volume.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let blocks = self.store.capacity;
        let free = blocks.saturating_sub(self.space.used());
        Statistics {
            block: BLOCK as u64,
            blocks,
            free,
            available: self.available().min(free),
            name: NAME,
        }
    }
}
