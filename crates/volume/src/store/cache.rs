//! Verified nodes, so that none is read and opened twice while it is in use.

use std::collections::HashMap;
use std::sync::Arc;

use crate::format::NODE;
use crate::format::node::Stored;
use crate::format::pointer::Pointer;

/// Most nodes: 64 MiB as stored.
const NODES: usize = (64 << 20) / NODE;

type Id = (u64, u64, u64, u8);

/// Two generations of nodes: when the young ones fill half the room, they become the old ones, and those are dropped.
#[derive(Default)]
pub struct Cache {
    young: HashMap<Id, Arc<Stored>>,
    old: HashMap<Id, Arc<Stored>>,
}

impl Cache {
    pub fn get(&mut self, pointer: &Pointer, level: u8) -> Option<Arc<Stored>> {
        let id = id(pointer, level);
        if let Some(found) = self.young.get(&id) {
            return Some(Arc::clone(found));
        }
        let found = self.old.remove(&id)?;
        self.insert(pointer, level, Arc::clone(&found));
        Some(found)
    }

    pub fn insert(&mut self, pointer: &Pointer, level: u8, node: Arc<Stored>) {
        if self.young.len() >= NODES / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id(pointer, level), node);
    }
}

/// A seal is unique by epoch and counter; the address is there too, since a pointer is only right as a whole.
fn id(pointer: &Pointer, level: u8) -> Id {
    (pointer.address, pointer.fence, pointer.counter, level)
}
