//! Names, as they are known so far.

use std::collections::BTreeMap;

use crate::Attributes;
use crate::inode::Kind;
use crate::{Error, NAME, xattr};

/// An inode of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node(pub(crate) u32);

/// Entries of a directory, in the order that EROFS wants.
pub(crate) type Entries = BTreeMap<Box<[u8]>, Node>;

#[derive(Debug)]
pub(crate) struct Inode {
    pub kind: Kind,
    pub attributes: Attributes,
    /// Empty for all but directories.
    pub entries: Entries,
}

/// A tree of names. What lost its last name is not written.
#[derive(Debug)]
pub struct Tree {
    inodes: Vec<Inode>,
}

impl Tree {
    /// The root directory.
    pub const ROOT: Node = Node(0);

    /// A tree with a root.
    #[must_use]
    pub fn new(root: Attributes) -> Self {
        let mut tree = Self { inodes: Vec::new() };
        tree.add(Kind::Directory, root);
        tree
    }

    /// What has this name in a directory.
    #[must_use]
    pub fn find(&self, directory: Node, name: &[u8]) -> Option<Node> {
        self.get(directory).entries.get(name).copied()
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self, node: Node) -> bool {
        matches!(self.get(node).kind, Kind::Directory)
    }

    /// Puts something into a directory, in place of what has the name. A directory keeps what is in it.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::NotDirectory`], [`Error::ExtendedAttribute`], [`Error::TooLarge`] for a link.
    pub fn put(&mut self, directory: Node, name: &[u8], kind: Kind, attributes: Attributes) -> Result<Node, Error> {
        check(&kind, &attributes)?;
        let there = self.find(directory, name);
        let kept = there.filter(|node| self.is_directory(*node) && matches!(kind, Kind::Directory));
        if let Some(node) = kept {
            self.get_mut(node).attributes = attributes;
            return Ok(node);
        }
        self.check_place(directory, name)?;
        let node = self.add(kind, attributes);
        self.get_mut(directory).entries.insert(name.into(), node);
        Ok(node)
    }

    /// Gives an inode another name.
    ///
    /// # Errors
    /// [`Error::Directory`], and those of [`Self::put`].
    pub fn link(&mut self, directory: Node, name: &[u8], node: Node) -> Result<(), Error> {
        if self.is_directory(node) {
            return Err(Error::Directory);
        }
        self.check_place(directory, name)?;
        self.get_mut(directory).entries.insert(name.into(), node);
        Ok(())
    }

    /// Sets the root's attributes, or another inode's.
    ///
    /// # Errors
    /// [`Error::ExtendedAttribute`].
    pub fn set_attributes(&mut self, node: Node, attributes: Attributes) -> Result<(), Error> {
        xattr::encode(&attributes.extended)?;
        self.get_mut(node).attributes = attributes;
        Ok(())
    }

    /// Attributes of an inode.
    #[must_use]
    pub fn attributes(&self, node: Node) -> &Attributes {
        &self.get(node).attributes
    }

    pub(crate) fn get(&self, node: Node) -> &Inode {
        &self.inodes[node.0 as usize]
    }

    fn get_mut(&mut self, node: Node) -> &mut Inode {
        &mut self.inodes[node.0 as usize]
    }

    /// How many inodes there ever were.
    pub(crate) fn len(&self) -> usize {
        self.inodes.len()
    }

    fn add(&mut self, kind: Kind, attributes: Attributes) -> Node {
        let number = u32::try_from(self.inodes.len()).unwrap_or(u32::MAX);
        self.inodes.push(Inode {
            kind,
            attributes,
            entries: Entries::new(),
        });
        Node(number)
    }

    fn check_place(&self, directory: Node, name: &[u8]) -> Result<(), Error> {
        if !self.is_directory(directory) {
            return Err(Error::NotDirectory);
        }
        let is_path = name.iter().any(|byte| matches!(byte, b'/' | 0));
        if name.is_empty() || name.len() > NAME || name == b"." || name == b".." || is_path {
            return Err(Error::Name);
        }
        Ok(())
    }
}

/// Longest target of a symbolic link.
const TARGET: usize = 4095;

fn check(kind: &Kind, attributes: &Attributes) -> Result<(), Error> {
    xattr::encode(&attributes.extended)?;
    match kind {
        Kind::Link(target) if target.is_empty() || target.len() > TARGET => Err(Error::TooLarge),
        _ => Ok(()),
    }
}
