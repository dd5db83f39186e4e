//! Names of a directory: looking up, adding and removing one entry, and making inodes.

use super::room::Need;
use super::{Attributes, Volume};
use crate::Error;
use crate::format::inode::{Inode, mode};
use crate::format::key::{Key, Kind};
use crate::format::named::{self, LIST, Named, Target};
use crate::format::{NAME, SYMLINK};

/// Most names of one inode, as in ext4.
pub const LINKS: u32 = 65_000;

/// What a new inode begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct New {
    /// Type and permissions (stat(2)).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Of a device: its number.
    pub device: u64,
}

impl Volume {
    /// The inode that a name stands for. "." and ".." are names like in any directory.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotDirectory`], [`Error::NameTooLong`].
    pub fn lookup(&mut self, directory: u64, name: &[u8]) -> Result<Attributes, Error> {
        let parent = self.directory(directory)?;
        let inode = match name {
            b"." => directory,
            b".." => parent.parent,
            _ => self.target(directory, name)?.ok_or(Error::NotFound)?.inode,
        };
        self.attributes(inode)
    }

    /// Makes a file, a pipe, a socket or a device.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Invalid`] for other types, and those of [`Self::lookup`].
    pub fn create_file(&mut self, directory: u64, name: &[u8], new: New) -> Result<Attributes, Error> {
        let other = matches!(new.mode & mode::TYPE, mode::DIRECTORY | mode::SYMLINK);
        if other || !mode::is_known(new.mode) {
            return Err(Error::Invalid);
        }
        self.make(
            directory,
            name,
            Inode {
                links: 1,
                device: new.device,
                ..self::inode(&new)
            },
        )
    }

    /// Makes a directory; the type in `new.mode` may be left out.
    ///
    /// # Errors
    /// As [`Self::create_file`].
    pub fn mkdir(&mut self, directory: u64, name: &[u8], new: New) -> Result<Attributes, Error> {
        let mode = mode::DIRECTORY | new.mode & mode::PERMISSIONS;
        self.make(
            directory,
            name,
            Inode {
                mode,
                links: 2,
                parent: directory,
                ..self::inode(&new)
            },
        )
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// [`Error::NameTooLong`] for targets over 4,095 bytes, [`Error::Invalid`] for an empty one, and as
    /// [`Self::create_file`].
    pub fn symlink(&mut self, directory: u64, name: &[u8], target: &[u8], new: New) -> Result<Attributes, Error> {
        match target.len() {
            0 => return Err(Error::Invalid),
            length if length > SYMLINK => return Err(Error::NameTooLong),
            _ => {}
        }
        let (mode, size) = (mode::SYMLINK | 0o777, target.len() as u64);
        self.make(
            directory,
            name,
            Inode {
                mode,
                links: 1,
                size,
                inline: target.to_vec(),
                ..self::inode(&new)
            },
        )
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// [`Error::Invalid`] for other inodes.
    pub fn readlink(&mut self, inode: u64) -> Result<Vec<u8>, Error> {
        let value = self.stored_inode(inode)?;
        if value.is_symlink() {
            Ok(value.inline)
        } else {
            Err(Error::Invalid)
        }
    }

    fn make(&mut self, directory: u64, name: &[u8], inode: Inode) -> Result<Attributes, Error> {
        check_new_name(name)?;
        self.operate(Need::OPERATION, |this| this.make_now(directory, name, inode))
    }

    fn make_now(&mut self, directory: u64, name: &[u8], mut inode: Inode) -> Result<Attributes, Error> {
        let parent = self.directory(directory)?;
        if parent.links == 0 || self.target(directory, name)?.is_some() {
            return Err(if parent.links == 0 {
                Error::NotFound
            } else {
                Error::Exists
            });
        }
        let parent = self.with_child(parent, inode.is_directory())?;
        let now = self.clock.now();
        (inode.accessed, inode.modified, inode.changed, inode.born) = (now, now, now, now);
        let number = self.next_inode;
        self.add_name(
            directory,
            name,
            Target {
                inode: number,
                kind: inode.mode & mode::TYPE,
            },
        )?;
        self.set_inode(number, &inode)?;
        self.touch_directory(directory, parent)?;
        Ok(Attributes::of(number, &inode))
    }

    pub(super) fn with_child(&self, mut parent: Inode, is_directory: bool) -> Result<Inode, Error> {
        if is_directory && parent.links >= LINKS {
            return Err(Error::TooManyLinks);
        }
        parent.links += u32::from(is_directory);
        Ok(parent)
    }

    /// Stores a directory whose names changed.
    pub(super) fn touch_directory(&mut self, directory: u64, mut value: Inode) -> Result<(), Error> {
        value.changed = self.clock.now();
        value.modified = value.changed;
        self.set_inode(directory, &value)
    }

    /// Stores an inode of which something changed. Where writes wait for the log, so does the time: theirs is older.
    pub(super) fn set_changed(&mut self, inode: u64, mut value: Inode) -> Result<(), Error> {
        value.changed = self.clock.now();
        let waiting = self.files.get_mut(&inode).and_then(|pages| pages.touched.as_mut());
        if let Some(touched) = waiting {
            touched.changed = value.changed;
        }
        self.set_inode(inode, &value)
    }

    /// An inode as the tree has it. Whoever looks at anything comes by here: nobody sees a copy that is under way.
    pub(super) fn stored_inode(&mut self, inode: u64) -> Result<Inode, Error> {
        self.check_finished()?;
        let value = self
            .tree
            .get(&mut self.store, Key::new(Kind::Inode, inode, 0))?
            .ok_or(Error::NotFound)?;
        Inode::decode(&value).map_err(|malformed| Error::malformed(malformed, "the tree"))
    }

    pub(super) fn directory(&mut self, inode: u64) -> Result<Inode, Error> {
        let value = self.stored_inode(inode)?;
        if value.is_directory() {
            Ok(value)
        } else {
            Err(Error::NotDirectory)
        }
    }

    /// What a name stands for.
    pub(super) fn target(&mut self, directory: u64, name: &[u8]) -> Result<Option<Target>, Error> {
        if name.len() > NAME {
            return Err(Error::NameTooLong);
        }
        let (_, list) = self.list(Kind::Entry, directory, name)?;
        let found = list.iter().find(|named| named.name == name);
        let target = found.map(|named| Target::decode(&named.value)).transpose();
        target.map_err(|malformed| Error::malformed(malformed, "the tree"))
    }

    /// Adds a name, or makes it stand for something else.
    pub(super) fn add_name(&mut self, directory: u64, name: &[u8], target: Target) -> Result<(), Error> {
        self.set_named(
            Kind::Entry,
            directory,
            Named {
                name: name.to_vec(),
                value: target.encode(),
            },
        )
    }

    pub(super) fn remove_name(&mut self, directory: u64, name: &[u8]) -> Result<(), Error> {
        self.unset_named(Kind::Entry, directory, name).map(drop)
    }

    /// All names with the hash of this one, and their key.
    pub(super) fn list(&mut self, kind: Kind, inode: u64, name: &[u8]) -> Result<(Key, Vec<Named>), Error> {
        let key = Key::new(kind, inode, self.names.offset(inode, name));
        let Some(value) = self.tree.get(&mut self.store, key)? else {
            return Ok((key, Vec::new()));
        };
        let list = named::decode(&value).map_err(|malformed| Error::malformed(malformed, "the tree"))?;
        Ok((key, list))
    }

    pub(super) fn set_named(&mut self, kind: Kind, inode: u64, named: Named) -> Result<(), Error> {
        let (key, mut list) = self.list(kind, inode, &named.name)?;
        list.retain(|other| other.name != named.name);
        list.push(named);
        let value = named::encode(&list);
        if value.len() > LIST {
            return Err(Error::NoSpace);
        }
        self.set(key, value)
    }

    /// Removes a name; whether it was there.
    pub(super) fn unset_named(&mut self, kind: Kind, inode: u64, name: &[u8]) -> Result<bool, Error> {
        let (key, mut list) = self.list(kind, inode, name)?;
        let before = list.len();
        list.retain(|other| other.name != name);
        match list.len() {
            after if after == before => return Ok(false),
            0 => self.unset(key)?,
            _ => self.set(key, named::encode(&list))?,
        }
        Ok(true)
    }
}

/// A name that an entry can get.
pub fn check_new_name(name: &[u8]) -> Result<(), Error> {
    match name {
        b"" => Err(Error::NotFound),
        b"." | b".." => Err(Error::Exists),
        _ if name.len() > NAME => Err(Error::NameTooLong),
        _ if name.contains(&b'/') || name.contains(&0) => Err(Error::Invalid),
        _ => Ok(()),
    }
}

fn inode(new: &New) -> Inode {
    Inode {
        mode: new.mode,
        uid: new.uid,
        gid: new.gid,
        ..Inode::default()
    }
}
