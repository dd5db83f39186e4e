//! The copy-on-write tree: changed nodes are in memory without an address until a checkpoint seals them bottom-up.

mod compare;
mod edit;
mod write;

use std::sync::Arc;

pub use compare::{Changed, Difference};

use crate::Error;
use crate::format::key::Key;
use crate::format::node::{self, Stored};
use crate::format::pointer::Pointer;
use crate::format::{NODE_BLOCKS, Roots};
use crate::space::Space;
use crate::store::{Store, place};

/// A child of a node: as sealed, or changed since.
pub enum Child {
    Clean(Pointer),
    Dirty(Box<Node>),
}

/// A node in memory.
pub enum Node {
    Leaf(Vec<(Key, Vec<u8>)>),
    Inner(Vec<(Key, Child)>),
}

/// What an edit needs of the rest.
pub struct Context<'a> {
    pub store: &'a mut Store,
    pub space: &'a mut Space,
    /// Generation of the next checkpoint.
    pub generation: u64,
}

/// A tree and the number of its changed nodes.
pub struct Tree {
    pub level: u8,
    root: Child,
    dirty: u64,
}

/// What a walk meets.
pub enum Met<'a> {
    Node(&'a Pointer),
    Entry(Key, &'a [u8]),
}

/// Told of each.
pub type Visitor<'v> = &'v mut dyn FnMut(Met<'_>) -> Result<(), Error>;

type Found = Option<(Key, Vec<u8>)>;

impl Tree {
    pub fn empty() -> Self {
        Self {
            level: 0,
            root: Child::Dirty(Box::new(Node::Leaf(Vec::new()))),
            dirty: 1,
        }
    }

    pub fn of(level: u8, root: Pointer) -> Self {
        Self {
            level,
            root: Child::Clean(root),
            dirty: 0,
        }
    }

    /// Changed nodes: a checkpoint needs so many addresses.
    pub fn dirty(&self) -> u64 {
        self.dirty
    }

    pub fn get(&self, store: &mut Store, key: Key) -> Result<Option<Vec<u8>>, Error> {
        let found = self.floor(store, key)?;
        Ok(found.filter(|(found, _)| *found == key).map(|(_, value)| value))
    }

    /// The last entry up to `key`.
    pub fn floor(&self, store: &mut Store, key: Key) -> Result<Found, Error> {
        floor(&self.root, self.level, store, key)
    }

    /// The first entry from `key` on.
    pub fn next(&self, store: &mut Store, key: Key) -> Result<Found, Error> {
        next(&self.root, self.level, store, key)
    }

    /// Shows all sealed nodes and all entries, these in the order of their keys.
    pub fn walk(&self, store: &mut Store, visit: Visitor<'_>) -> Result<(), Error> {
        walk(&self.root, self.level, store, visit)
    }
}

fn below<T>(entries: &[(Key, T)], key: Key) -> usize {
    entries.partition_point(|(first, _)| *first <= key)
}

fn floor(child: &Child, level: u8, store: &mut Store, key: Key) -> Result<Found, Error> {
    match child {
        Child::Dirty(node) => match &**node {
            Node::Leaf(entries) => Ok(last_up_to(entries, key)),
            Node::Inner(entries) => {
                for (_, child) in entries[..below(entries, key)].iter().rev() {
                    if let Some(found) = floor(child, level - 1, store, key)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        },
        Child::Clean(pointer) => match &*store.node(pointer, level)? {
            Stored::Leaf(entries) => Ok(last_up_to(entries, key)),
            Stored::Inner(level, entries) => {
                for (_, pointer) in entries[..below(entries, key)].iter().rev() {
                    if let Some(found) = floor(&Child::Clean(*pointer), level - 1, store, key)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        },
    }
}

fn last_up_to(entries: &[(Key, Vec<u8>)], key: Key) -> Found {
    entries[..below(entries, key)].last().cloned()
}

fn next(child: &Child, level: u8, store: &mut Store, key: Key) -> Result<Found, Error> {
    match child {
        Child::Dirty(node) => match &**node {
            Node::Leaf(entries) => Ok(first_from(entries, key)),
            Node::Inner(entries) => {
                for (_, child) in &entries[below(entries, key).saturating_sub(1)..] {
                    if let Some(found) = next(child, level - 1, store, key)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        },
        Child::Clean(pointer) => match &*store.node(pointer, level)? {
            Stored::Leaf(entries) => Ok(first_from(entries, key)),
            Stored::Inner(level, entries) => {
                for (_, pointer) in &entries[below(entries, key).saturating_sub(1)..] {
                    if let Some(found) = next(&Child::Clean(*pointer), level - 1, store, key)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
        },
    }
}

fn first_from(entries: &[(Key, Vec<u8>)], key: Key) -> Found {
    entries.get(entries.partition_point(|(found, _)| *found < key)).cloned()
}

fn walk(child: &Child, level: u8, store: &mut Store, visit: Visitor<'_>) -> Result<(), Error> {
    match child {
        Child::Dirty(node) => match &**node {
            Node::Leaf(entries) => leaf(entries, visit),
            Node::Inner(entries) => entries
                .iter()
                .try_for_each(|(_, child)| walk(child, level - 1, store, visit)),
        },
        Child::Clean(pointer) => {
            visit(Met::Node(pointer))?;
            match &*store.node(pointer, level)? {
                Stored::Leaf(entries) => leaf(entries, visit),
                Stored::Inner(level, entries) => entries
                    .iter()
                    .try_for_each(|(_, pointer)| walk(&Child::Clean(*pointer), level - 1, store, visit)),
            }
        }
    }
}

fn leaf(entries: &[(Key, Vec<u8>)], visit: Visitor<'_>) -> Result<(), Error> {
    entries
        .iter()
        .try_for_each(|(key, value)| visit(Met::Entry(*key, value)))
}

impl Context<'_> {
    /// The child's node, copied into memory if it was sealed.
    fn own<'c>(&mut self, child: &'c mut Child, level: u8, dirty: &mut u64) -> Result<&'c mut Node, Error> {
        if let Child::Clean(pointer) = child {
            let stored = self.store.node(pointer, level)?;
            let freed = self
                .space
                .leave(pointer.address, NODE_BLOCKS, pointer.birth, self.generation);
            freed.map_err(|malformed| Error::malformed(malformed, place(pointer.address)))?;
            *child = Child::Dirty(Box::new(Node::of(Arc::unwrap_or_clone(stored))));
            *dirty += 1;
        }
        match child {
            Child::Dirty(node) => Ok(node),
            Child::Clean(_) => Err(Error::Invalid),
        }
    }
}

impl Node {
    fn of(stored: Stored) -> Self {
        match stored {
            Stored::Leaf(entries) => Self::Leaf(entries),
            Stored::Inner(_, entries) => Self::Inner(
                entries
                    .into_iter()
                    .map(|(key, pointer)| (key, Child::Clean(pointer)))
                    .collect(),
            ),
        }
    }

    /// Stored bytes of the entries.
    fn size(&self, roots: Roots) -> usize {
        match self {
            Self::Leaf(entries) => entries.iter().map(|(_, value)| node::leaf_entry(value)).sum(),
            Self::Inner(entries) => entries.len() * node::inner_entry(roots),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Leaf(entries) => entries.is_empty(),
            Self::Inner(entries) => entries.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests;
