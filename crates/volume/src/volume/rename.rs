//! Renaming: one record, whatever it replaces.

use super::flush::Target as Place;
use super::names::check_new_name;
use super::room::Need;
use super::{ROOT, Volume};
use crate::Error;
use crate::format::inode::mode;
use crate::format::named::Target;

/// What becomes of a name that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rename {
    /// It is replaced.
    Replace,
    /// The renaming is refused (RENAME_NOREPLACE).
    Keep,
    /// The two names change places (RENAME_EXCHANGE).
    Exchange,
}

/// A name in a directory.
type Spot<'a> = (u64, &'a [u8]);

impl Volume {
    /// Gives an inode another name. Data that was written to a file before is as durable as its new name.
    ///
    /// # Errors
    /// As rename(2).
    pub fn rename(&mut self, from: (u64, &[u8]), to: (u64, &[u8]), how: Rename) -> Result<(), Error> {
        check_new_name(to.1)?;
        self.operate(Need::OPERATION, |this| this.rename_now(from, to, how))
    }

    fn rename_now(&mut self, from: (u64, &[u8]), to: (u64, &[u8]), how: Rename) -> Result<(), Error> {
        self.directory(from.0)?;
        let destination = self.directory(to.0)?;
        let source = self.target(from.0, from.1)?.ok_or(Error::NotFound)?;
        let replaced = self.target(to.0, to.1)?;
        if destination.links == 0 {
            return Err(Error::NotFound);
        }
        self.check_loop(source, to.0)?;
        match (replaced, how) {
            (Some(_), Rename::Keep) => Err(Error::Exists),
            (None, Rename::Exchange) => Err(Error::NotFound),
            (Some(replaced), _) if replaced.inode == source.inode => Ok(()),
            (Some(replaced), Rename::Exchange) => self.exchange(from, source, to, replaced),
            (replaced, _) => self.replace(from, source, to, replaced),
        }
    }

    /// A directory never gets below itself.
    fn check_loop(&mut self, moved: Target, into: u64) -> Result<(), Error> {
        if moved.kind == mode::DIRECTORY && self.is_above(moved.inode, into)? {
            Err(Error::Invalid)
        } else {
            Ok(())
        }
    }

    fn replace(&mut self, from: Spot<'_>, source: Target, to: Spot<'_>, old: Option<Target>) -> Result<(), Error> {
        if let Some(old) = old {
            self.check_replaceable(source, old)?;
        } else if from.0 != to.0 {
            self.check_links(source, to.0)?;
        }
        self.order_data(source)?;
        if let Some(old) = old {
            self.drop_link(old.inode)?;
        }
        self.remove_name(from.0, from.1)?;
        self.add_name(to.0, to.1, source)?;
        let replaced = old.is_some_and(|old| old.kind == mode::DIRECTORY);
        let moved = source.kind == mode::DIRECTORY;
        self.settle(from.0, -i64::from(moved))?;
        self.settle(to.0, i64::from(moved) - i64::from(replaced))?;
        self.moved(source, to.0)
    }

    fn check_replaceable(&mut self, source: Target, old: Target) -> Result<(), Error> {
        match (source.kind == mode::DIRECTORY, old.kind == mode::DIRECTORY) {
            (true, false) => Err(Error::NotDirectory),
            (false, true) => Err(Error::IsDirectory),
            (true, true) if !self.is_empty(old.inode)? => Err(Error::NotEmpty),
            _ => Ok(()),
        }
    }

    fn exchange(&mut self, from: Spot<'_>, source: Target, to: Spot<'_>, other: Target) -> Result<(), Error> {
        self.check_loop(other, from.0)?;
        match (source.kind == mode::DIRECTORY, other.kind == mode::DIRECTORY) {
            (true, false) if from.0 != to.0 => self.check_links(source, to.0)?,
            (false, true) if from.0 != to.0 => self.check_links(other, from.0)?,
            _ => {}
        }
        self.order_data(source)?;
        self.order_data(other)?;
        self.add_name(from.0, from.1, other)?;
        self.add_name(to.0, to.1, source)?;
        let change = i64::from(source.kind == mode::DIRECTORY) - i64::from(other.kind == mode::DIRECTORY);
        self.settle(from.0, -change)?;
        self.settle(to.0, change)?;
        self.moved(source, to.0)?;
        self.moved(other, from.0)
    }

    /// A directory that gets one more below it has a link for its "..".
    fn check_links(&mut self, moved: Target, into: u64) -> Result<(), Error> {
        let parent = self.directory(into)?;
        self.with_child(parent, moved.kind == mode::DIRECTORY).map(drop)
    }

    /// Logs a file's data before its name.
    fn order_data(&mut self, target: Target) -> Result<(), Error> {
        self.flush_file(target.inode, Place::Log)
    }

    /// A directory's links and times after its names changed.
    fn settle(&mut self, directory: u64, change: i64) -> Result<(), Error> {
        let mut value = self.directory(directory)?;
        value.links = u32::try_from(i64::from(value.links) + change).unwrap_or(2);
        self.touch_directory(directory, value)
    }

    /// What has a new name: its time, and of a directory its "..".
    fn moved(&mut self, target: Target, parent: u64) -> Result<(), Error> {
        let mut value = self.stored_inode(target.inode)?;
        if value.is_directory() && target.inode != ROOT {
            value.parent = parent;
        }
        self.set_changed(target.inode, value)
    }
}
