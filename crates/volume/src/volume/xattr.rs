//! Extended attributes.

use super::Volume;
use super::room::Need;
use crate::Error;
use crate::format::key::{Key, Kind};
use crate::format::named::{self, Named};
use crate::format::{NAME, XATTR};

impl Volume {
    /// The value of an extended attribute.
    ///
    /// # Errors
    /// [`Error::NoAttribute`].
    pub fn attribute(&mut self, inode: u64, name: &[u8]) -> Result<Vec<u8>, Error> {
        self.stored_inode(inode)?;
        let (_, list) = self.list(Kind::Attribute, inode, name)?;
        let found = list.into_iter().find(|named| named.name == name);
        found.map(|named| named.value).ok_or(Error::NoAttribute)
    }

    /// Sets an extended attribute. `exists` demands that it exists, or that it does not (XATTR_REPLACE, XATTR_CREATE).
    ///
    /// # Errors
    /// [`Error::NoAttribute`], [`Error::Exists`], [`Error::AttributeTooLong`] over one block, [`Error::NameTooLong`].
    pub fn set_attribute(&mut self, inode: u64, name: &[u8], value: &[u8], exists: Option<bool>) -> Result<(), Error> {
        match (name.len(), value.len()) {
            (0, _) => return Err(Error::Invalid),
            (length, _) if length > NAME => return Err(Error::NameTooLong),
            (_, length) if length > XATTR => return Err(Error::AttributeTooLong),
            _ => {}
        }
        self.operate(Need::OPERATION, |this| {
            this.set_attribute_now(inode, name, value, exists)
        })
    }

    fn set_attribute_now(&mut self, inode: u64, name: &[u8], value: &[u8], exists: Option<bool>) -> Result<(), Error> {
        let (_, list) = self.list(Kind::Attribute, inode, name)?;
        let found = list.iter().any(|named| named.name == name);
        match exists {
            Some(true) if !found => return Err(Error::NoAttribute),
            Some(false) if found => return Err(Error::Exists),
            _ => {}
        }
        let stored = self.stored_inode(inode)?;
        self.set_named(
            Kind::Attribute,
            inode,
            Named {
                name: name.to_vec(),
                value: value.to_vec(),
            },
        )?;
        self.set_changed(inode, stored)
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// [`Error::NoAttribute`].
    pub fn remove_attribute(&mut self, inode: u64, name: &[u8]) -> Result<(), Error> {
        self.operate(Need::FREEING, |this| this.remove_attribute_now(inode, name))
    }

    fn remove_attribute_now(&mut self, inode: u64, name: &[u8]) -> Result<(), Error> {
        let stored = self.stored_inode(inode)?;
        if !self.unset_named(Kind::Attribute, inode, name)? {
            return Err(Error::NoAttribute);
        }
        self.set_changed(inode, stored)
    }

    /// Names of all extended attributes.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn attribute_names(&mut self, inode: u64) -> Result<Vec<Vec<u8>>, Error> {
        self.stored_inode(inode)?;
        let mut names = Vec::new();
        let mut from = 0;
        while let Some((key, value)) = self.next_attribute(inode, from)? {
            let list = named::decode(&value).map_err(|malformed| Error::malformed(malformed, "the tree"))?;
            names.extend(list.into_iter().map(|named| named.name));
            from = key.offset.saturating_add(1);
        }
        Ok(names)
    }

    pub(super) fn remove_attributes(&mut self, inode: u64) -> Result<(), Error> {
        while let Some((key, _)) = self.next_attribute(inode, 0)? {
            self.unset(key)?;
        }
        Ok(())
    }

    fn next_attribute(&mut self, inode: u64, from: u64) -> Result<Option<(Key, Vec<u8>)>, Error> {
        let found = self
            .tree
            .next(&mut self.store, Key::new(Kind::Attribute, inode, from))?;
        Ok(found.filter(|(key, _)| key.kind == Kind::Attribute && key.inode == inode))
    }
}
