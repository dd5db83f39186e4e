//! Attributes of inodes, and of the volume.

use super::Volume;
use super::flush::Target;
use super::room::Need;
use crate::Error;
use crate::format::inode::{Inode, Time, mode};
use crate::format::{BLOCK, NAME};

/// What stat(2) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Sets attributes. Logged at once, after the file's data.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for times with too many nanoseconds.
    pub fn set_attributes(&mut self, inode: u64, changes: &Changes) -> Result<Attributes, Error> {
        let times = [changes.accessed, changes.modified];
        if times
            .into_iter()
            .flatten()
            .any(|time| time.nanoseconds >= 1_000_000_000)
        {
            return Err(Error::Invalid);
        }
        self.operate(Need::OPERATION, |this| this.set_attributes_now(inode, changes))
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
        value.changed = self.clock.now();
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
