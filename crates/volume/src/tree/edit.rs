//! Setting and removing entries.

use super::{Child, Context, Node, Tree, below};
use crate::Error;
use crate::format::key::Key;
use crate::format::node::{LEVELS, ROOM};

/// A node that falls below this looks for a neighbour to join.
const SMALL: usize = ROOM / 4;
/// Two nodes join when they fill at most this, so that the next entry does not part them again.
const JOINED: usize = ROOM / 4 * 3;

impl Tree {
    /// Sets an entry.
    pub fn put(&mut self, context: &mut Context<'_>, key: Key, value: Vec<u8>) -> Result<(), Error> {
        let Some((first, sibling)) = put(&mut self.root, self.level, context, key, value, &mut self.dirty)? else {
            return Ok(());
        };
        if self.level + 1 >= LEVELS {
            return Err(Error::NoSpace);
        }
        let left = std::mem::replace(&mut self.root, Child::Dirty(Box::new(Node::Inner(Vec::new()))));
        self.root = Child::Dirty(Box::new(Node::Inner(vec![(Key::FIRST, left), (first, sibling)])));
        self.level += 1;
        self.dirty += 1;
        Ok(())
    }

    /// Removes an entry; whether there was one.
    pub fn remove(&mut self, context: &mut Context<'_>, key: Key) -> Result<bool, Error> {
        if self.get(context.store, key)?.is_none() {
            return Ok(false);
        }
        remove(&mut self.root, self.level, context, key, &mut self.dirty)?;
        while let Child::Dirty(node) = &mut self.root {
            match &mut **node {
                Node::Inner(entries) if entries.len() == 1 => {
                    let Some((_, child)) = entries.pop() else { break };
                    self.root = child;
                    self.level -= 1;
                    self.dirty -= 1;
                }
                Node::Inner(entries) if entries.is_empty() => {
                    **node = Node::Leaf(Vec::new());
                    self.level = 0;
                }
                _ => break,
            }
        }
        Ok(true)
    }
}

type Sibling = Option<(Key, Child)>;

fn put(
    child: &mut Child,
    level: u8,
    context: &mut Context<'_>,
    key: Key,
    value: Vec<u8>,
    dirty: &mut u64,
) -> Result<Sibling, Error> {
    let roots = context.store.roots;
    let node = context.own(child, level, dirty)?;
    match node {
        Node::Leaf(entries) => match entries.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(found) => entries[found].1 = value,
            Err(at) => entries.insert(at, (key, value)),
        },
        Node::Inner(entries) => {
            let at = below(entries, key).saturating_sub(1);
            entries[at].0 = entries[at].0.min(key);
            if let Some(sibling) = put(&mut entries[at].1, level - 1, context, key, value, dirty)? {
                entries.insert(at + 1, sibling);
            }
        }
    }
    if node.size(roots) <= ROOM {
        return Ok(None);
    }
    *dirty += 1;
    Ok(Some(split(node)))
}

/// Moves the upper half of a node's bytes to a new one.
fn split(node: &mut Node) -> (Key, Child) {
    match node {
        Node::Leaf(entries) => {
            let upper = entries.split_off(middle(entries));
            (upper[0].0, Child::Dirty(Box::new(Node::Leaf(upper))))
        }
        Node::Inner(entries) => {
            let upper = entries.split_off(entries.len() / 2);
            (upper[0].0, Child::Dirty(Box::new(Node::Inner(upper))))
        }
    }
}

/// The entry that begins the upper half of the bytes.
fn middle(entries: &[(Key, Vec<u8>)]) -> usize {
    let size = |entries: &[(Key, Vec<u8>)]| -> usize {
        entries
            .iter()
            .map(|(_, value)| crate::format::node::leaf_entry(value))
            .sum()
    };
    let half = size(entries) / 2;
    let mut sum = 0;
    let at = entries.iter().position(|(_, value)| {
        sum += crate::format::node::leaf_entry(value);
        sum > half
    });
    at.unwrap_or(1).clamp(1, entries.len() - 1)
}

fn remove(child: &mut Child, level: u8, context: &mut Context<'_>, key: Key, dirty: &mut u64) -> Result<(), Error> {
    match context.own(child, level, dirty)? {
        Node::Leaf(entries) => entries.retain(|(found, _)| *found != key),
        Node::Inner(entries) => {
            let at = below(entries, key).saturating_sub(1);
            remove(&mut entries[at].1, level - 1, context, key, dirty)?;
            tidy(entries, at, level - 1, context, dirty)?;
        }
    }
    Ok(())
}

/// Drops the child at `at` if it is empty, and joins it with a neighbour if both are small.
fn tidy(
    entries: &mut Vec<(Key, Child)>,
    at: usize,
    level: u8,
    context: &mut Context<'_>,
    dirty: &mut u64,
) -> Result<(), Error> {
    let roots = context.store.roots;
    let node = context.own(&mut entries[at].1, level, dirty)?;
    if node.is_empty() {
        entries.remove(at);
        *dirty -= 1;
        return Ok(());
    }
    let size = node.size(roots);
    if size >= SMALL || entries.len() < 2 {
        return Ok(());
    }
    let left = if at + 1 < entries.len() { at } else { at - 1 };
    let other = if left == at { at + 1 } else { left };
    if context.own(&mut entries[other].1, level, dirty)?.size(roots) + size <= JOINED {
        join(entries, left);
        *dirty -= 1;
    }
    Ok(())
}

/// Appends the right neighbour's entries to the node at `left`; both are in memory.
fn join(entries: &mut Vec<(Key, Child)>, left: usize) {
    let (_, right) = entries.remove(left + 1);
    let (Child::Dirty(right), Child::Dirty(left)) = (right, &mut entries[left].1) else {
        return;
    };
    match (*right, &mut **left) {
        (Node::Leaf(right), Node::Leaf(left)) => left.extend(right),
        (Node::Inner(right), Node::Inner(left)) => left.extend(right),
        _ => {}
    }
}
