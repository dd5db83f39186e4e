//! Sealing changed nodes, children first, so that each parent holds what its children have become.

use super::{Child, Context, Node, Tree};
use crate::Error;
use crate::format::node::Stored;
use crate::format::pointer::Pointer;

impl Tree {
    /// Writes all changed nodes to `addresses`, which has one for each; the root's pointer.
    pub fn write(&mut self, context: &mut Context<'_>, mut addresses: Vec<u64>) -> Result<Pointer, Error> {
        addresses.reverse();
        let pointer = write(&mut self.root, self.level, context, &mut addresses)?;
        self.dirty = 0;
        Ok(pointer)
    }
}

fn write(child: &mut Child, level: u8, context: &mut Context<'_>, addresses: &mut Vec<u64>) -> Result<Pointer, Error> {
    let node = match child {
        Child::Clean(pointer) => return Ok(*pointer),
        Child::Dirty(node) => node,
    };
    let stored = match &mut **node {
        Node::Leaf(entries) => Stored::Leaf(std::mem::take(entries)),
        Node::Inner(entries) => {
            let mut pointers = Vec::with_capacity(entries.len());
            for (key, child) in entries {
                pointers.push((*key, write(child, level - 1, context, addresses)?));
            }
            Stored::Inner(level, pointers)
        }
    };
    let address = addresses.pop().ok_or(Error::NoSpace)?;
    let pointer = context.store.write_node(stored, address, context.generation)?;
    *child = Child::Clean(pointer);
    Ok(pointer)
}
