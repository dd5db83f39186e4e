//! Names of an inode: a second one, one less, and what becomes of an inode without any.

use super::names::{LINKS, check_new_name};
use super::room::Need;
use super::{Attributes, Volume};
use crate::Error;
use crate::format::group::Change;
use crate::format::inode::{Inode, mode};
use crate::format::key::{Key, Kind};
use crate::format::named::Target;
use crate::format::{BLOCK, FILE};

/// Deepest directory: no honest tree is deeper, and one that goes in circles ends here.
const DEPTH: u32 = 1 << 20;

impl Volume {
    /// Gives an inode another name.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] for a directory, [`Error::Exists`], [`Error::TooManyLinks`].
    pub fn link(&mut self, inode: u64, directory: u64, name: &[u8]) -> Result<Attributes, Error> {
        check_new_name(name)?;
        self.operate(Need::OPERATION, |this| this.link_now(inode, directory, name))
    }

    fn link_now(&mut self, inode: u64, directory: u64, name: &[u8]) -> Result<Attributes, Error> {
        let mut value = self.stored_inode(inode)?;
        let parent = self.directory(directory)?;
        match value.links {
            _ if value.is_directory() => return Err(Error::NotPermitted),
            _ if self.target(directory, name)?.is_some() => return Err(Error::Exists),
            LINKS.. => return Err(Error::TooManyLinks),
            0 => return Err(Error::NotFound),
            _ => value.links += 1,
        }
        self.add_name(
            directory,
            name,
            Target {
                inode,
                kind: value.mode & mode::TYPE,
            },
        )?;
        self.set_changed(inode, value)?;
        self.touch_directory(directory, parent)?;
        self.attributes(inode)
    }

    /// Takes a name from anything but a directory. The inode lives until [`Self::reap`] if this was its last.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::IsDirectory`].
    pub fn unlink(&mut self, directory: u64, name: &[u8]) -> Result<(), Error> {
        self.operate(Need::FREEING, |this| this.unlink_now(directory, name))
    }

    fn unlink_now(&mut self, directory: u64, name: &[u8]) -> Result<(), Error> {
        let parent = self.directory(directory)?;
        let target = self.target(directory, name)?.ok_or(Error::NotFound)?;
        if target.kind == mode::DIRECTORY {
            return Err(Error::IsDirectory);
        }
        self.remove_name(directory, name)?;
        self.drop_link(target.inode)?;
        self.touch_directory(directory, parent)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`Error::NotEmpty`], [`Error::NotDirectory`], [`Error::NotFound`].
    pub fn rmdir(&mut self, directory: u64, name: &[u8]) -> Result<(), Error> {
        self.operate(Need::FREEING, |this| this.rmdir_now(directory, name))
    }

    fn rmdir_now(&mut self, directory: u64, name: &[u8]) -> Result<(), Error> {
        let mut parent = self.directory(directory)?;
        let target = self.target(directory, name)?.ok_or(Error::NotFound)?;
        match target.kind {
            mode::DIRECTORY if self.is_empty(target.inode)? => {}
            mode::DIRECTORY => return Err(Error::NotEmpty),
            _ => return Err(Error::NotDirectory),
        }
        self.remove_name(directory, name)?;
        self.drop_link(target.inode)?;
        parent.links = parent.links.saturating_sub(1);
        self.touch_directory(directory, parent)
    }

    /// Removes an inode that has no name, once nobody has it open: its data, its attributes, itself. One that has
    /// names is left alone.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn reap(&mut self, inode: u64) -> Result<(), Error> {
        self.operate(Need::FREEING, |this| this.reap_now(inode))
    }

    fn reap_now(&mut self, inode: u64) -> Result<(), Error> {
        if self.stored_inode(inode)?.links > 0 {
            return Ok(());
        }
        if self.extent_in(inode, 0, FILE / BLOCK as u64)?.is_some() {
            self.change(Change::Punch(inode, 0, FILE / BLOCK as u64))?;
        }
        self.remove_attributes(inode)?;
        self.unset(Key::new(Kind::Orphan, 0, inode))?;
        self.unset(Key::new(Kind::Inode, inode, 0))
    }

    /// One name less; without any, the inode is an orphan.
    pub(super) fn drop_link(&mut self, inode: u64) -> Result<(), Error> {
        let mut value = self.stored_inode(inode)?;
        value.links = if value.is_directory() {
            0
        } else {
            value.links.saturating_sub(1)
        };
        if value.links == 0 {
            self.set(Key::new(Kind::Orphan, 0, inode), Vec::new())?;
        }
        self.set_changed(inode, value)
    }

    /// Whether `inode` is `directory` or above it.
    pub(super) fn is_above(&mut self, inode: u64, directory: u64) -> Result<bool, Error> {
        let mut at = directory;
        for _ in 0..DEPTH {
            let Inode { parent, .. } = self.directory(at)?;
            if at == inode || parent == at {
                return Ok(at == inode);
            }
            at = parent;
        }
        Err(Error::tampered("a directory below itself", "the tree"))
    }
}
