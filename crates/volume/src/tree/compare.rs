//! What is different between two trees: both are walked at once, in the order of keys. A sealed node that both have is
//! passed by unread, so that the cost is that of the difference.

use std::cmp::Reverse;
use std::sync::Arc;

use super::{Child, Node, Tree, below};
use crate::Error;
use crate::format::key::Key;
use crate::format::node::Stored;
use crate::format::pointer::Pointer;
use crate::store::Store;

/// An entry that two trees have not in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    pub key: Key,
    pub old: Option<Vec<u8>>,
    pub new: Option<Vec<u8>>,
}

/// All of them, from one key up to another.
pub struct Difference<'t> {
    old: Side<'t>,
    new: Side<'t>,
}

/// How far one tree was walked: from its root down to where the walk is.
struct Side<'t> {
    from: Key,
    to: Key,
    way: Vec<Step<'t>>,
}

/// A node, and the first of its entries that the walk has not passed.
struct Step<'t> {
    held: Held<'t>,
    level: u8,
    at: usize,
}

enum Held<'t> {
    /// Above the root.
    Root(&'t Child),
    Changed(&'t Node),
    Sealed(Arc<Stored>),
}

/// A node that the walk has come to.
enum Below<'t> {
    Changed(&'t Node),
    Sealed(Pointer),
}

/// What comes next on one side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    /// A node: no key in it is less than this one. The pointer if it was not changed in memory.
    Node(Key, u8, Option<Pointer>),
    Entry(Key),
    End,
}

impl Head {
    /// Whether this is a node that may hold what comes before `other`.
    fn opens(self, other: Self) -> bool {
        match (self, other) {
            (Self::Node(first, ..), Self::Entry(key)) => first <= key,
            (Self::Node(..), Self::End) => true,
            (Self::Node(first, level, _), Self::Node(other, below, _)) => {
                (first, Reverse(level)) <= (other, Reverse(below))
            }
            _ => false,
        }
    }

    fn entry(self) -> Option<Key> {
        match self {
            Self::Entry(key) => Some(key),
            Self::Node(..) | Self::End => None,
        }
    }

    fn is_sealed(self) -> bool {
        matches!(self, Self::Node(_, _, Some(_)))
    }
}

impl<'t> Difference<'t> {
    /// Between two trees of one volume, from a key up to another.
    pub fn new(old: &'t Tree, new: &'t Tree, from: Key, to: Key) -> Self {
        Self {
            old: Side::new(old, from, to),
            new: Side::new(new, from, to),
        }
    }

    /// The next entry that one tree has and the other has not, or with another value.
    pub fn next(&mut self, store: &mut Store) -> Result<Option<Changed>, Error> {
        loop {
            let (old, new) = (self.old.head(), self.new.head());
            if old.is_sealed() && same(old, new) {
                self.old.pass();
                self.new.pass();
                continue;
            }
            let (opens_old, opens_new) = (old.opens(new), new.opens(old));
            if opens_old {
                self.old.open(store)?;
            }
            if opens_new {
                self.new.open(store)?;
            }
            if opens_old || opens_new {
                continue;
            }
            match self.least(old, new) {
                Some(both) if both.old == both.new => {}
                other => return Ok(other),
            }
        }
    }

    /// Takes the least entry from where it is; nothing at the end of both trees.
    fn least(&mut self, old: Head, new: Head) -> Option<Changed> {
        let (old, new) = match (old, new) {
            (Head::Entry(old), Head::Entry(new)) => ((old <= new).then_some(old), (new <= old).then_some(new)),
            (old, new) => (old.entry(), new.entry()),
        };
        Some(Changed {
            key: old.or(new)?,
            old: old.and_then(|_| self.old.take()),
            new: new.and_then(|_| self.new.take()),
        })
    }
}

/// One sealed node, whatever the keys above it say.
fn same(old: Head, new: Head) -> bool {
    match (old, new) {
        (Head::Node(_, level, pointer), Head::Node(_, other, also)) => (level, pointer) == (other, also),
        _ => false,
    }
}

impl<'t> Side<'t> {
    fn new(tree: &'t Tree, from: Key, to: Key) -> Self {
        let root = Step {
            held: Held::Root(&tree.root),
            level: tree.level + 1,
            at: 0,
        };
        Self {
            from,
            to,
            way: vec![root],
        }
    }

    fn head(&mut self) -> Head {
        while let Some(step) = self.way.last() {
            match step.head() {
                Head::End => drop(self.way.pop()),
                Head::Node(key, ..) | Head::Entry(key) if key >= self.to => self.way.clear(),
                found => return found,
            }
        }
        Head::End
    }

    fn pass(&mut self) {
        if let Some(step) = self.way.last_mut() {
            step.at += 1;
        }
    }

    /// The value of the entry that comes next.
    fn take(&mut self) -> Option<Vec<u8>> {
        let step = self.way.last()?;
        let value = step
            .leaf()
            .and_then(|entries| entries.get(step.at))
            .map(|(_, value)| value.clone());
        self.pass();
        value
    }

    /// Goes into the node that comes next, past what is before the first key that is wanted.
    fn open(&mut self, store: &mut Store) -> Result<(), Error> {
        let Some((level, below)) = self.way.last().and_then(Step::below) else {
            return Ok(());
        };
        self.pass();
        let held = match below {
            Below::Changed(node) => Held::Changed(node),
            Below::Sealed(pointer) => Held::Sealed(store.node(&pointer, level)?),
        };
        let at = held.first(self.from);
        self.way.push(Step { held, level, at });
        Ok(())
    }
}

impl<'t> Step<'t> {
    fn head(&self) -> Head {
        if let Some(entries) = self.leaf() {
            return entries.get(self.at).map_or(Head::End, |(key, _)| Head::Entry(*key));
        }
        match (self.key(), self.below()) {
            (Some(key), Some((level, Below::Sealed(pointer)))) => Head::Node(key, level, Some(pointer)),
            (Some(key), Some((level, Below::Changed(_)))) => Head::Node(key, level, None),
            _ => Head::End,
        }
    }

    fn leaf(&self) -> Option<&[(Key, Vec<u8>)]> {
        match &self.held {
            Held::Changed(Node::Leaf(entries)) => Some(entries),
            Held::Sealed(stored) => match &**stored {
                Stored::Leaf(entries) => Some(entries),
                Stored::Inner(..) => None,
            },
            _ => None,
        }
    }

    /// The first key of the child that comes next.
    fn key(&self) -> Option<Key> {
        match &self.held {
            Held::Root(_) => (self.at == 0).then_some(Key::FIRST),
            Held::Changed(Node::Inner(entries)) => entries.get(self.at).map(|(key, _)| *key),
            Held::Sealed(stored) => match &**stored {
                Stored::Inner(_, entries) => entries.get(self.at).map(|(key, _)| *key),
                Stored::Leaf(_) => None,
            },
            Held::Changed(Node::Leaf(_)) => None,
        }
    }

    fn below(&self) -> Option<(u8, Below<'t>)> {
        let child = |child: &'t Child| match child {
            Child::Dirty(node) => Below::Changed(node),
            Child::Clean(pointer) => Below::Sealed(*pointer),
        };
        let found = match &self.held {
            Held::Root(root) => (self.at == 0).then(|| child(root)),
            Held::Changed(Node::Inner(entries)) => entries.get(self.at).map(|(_, found)| child(found)),
            Held::Sealed(stored) => match &**stored {
                Stored::Inner(_, entries) => entries.get(self.at).map(|(_, pointer)| Below::Sealed(*pointer)),
                Stored::Leaf(_) => None,
            },
            Held::Changed(Node::Leaf(_)) => None,
        };
        found.map(|below| (self.level - 1, below))
    }
}

impl Held<'_> {
    /// The first entry that may hold a key from `from` on.
    fn first(&self, from: Key) -> usize {
        match self {
            Held::Root(_) => 0,
            Held::Changed(Node::Leaf(entries)) => entries.partition_point(|(key, _)| *key < from),
            Held::Changed(Node::Inner(entries)) => below(entries, from).saturating_sub(1),
            Held::Sealed(stored) => match &**stored {
                Stored::Leaf(entries) => entries.partition_point(|(key, _)| *key < from),
                Stored::Inner(_, entries) => below(entries, from).saturating_sub(1),
            },
        }
    }
}
