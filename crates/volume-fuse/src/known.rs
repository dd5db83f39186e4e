//! What the kernel knows of inodes.

use std::collections::{HashMap, HashSet};

/// Counts of lookups, and what need not be looked at again.
#[derive(Debug, Default)]
pub struct Known {
    /// How often the kernel looked each inode up that it still knows.
    lookups: HashMap<u64, u64>,
    /// Inodes that are known to have no file capabilities.
    pub bare: HashSet<u64>,
}

impl Known {
    /// The kernel got an inode in an answer.
    pub fn add(&mut self, inode: u64) {
        *self.lookups.entry(inode).or_insert(0) += 1;
    }

    /// The kernel gave up so many of its lookups; whether that was the last.
    pub fn forget(&mut self, inode: u64, count: u64) -> bool {
        let left = self.lookups.get(&inode).map_or(0, |known| known.saturating_sub(count));
        if left > 0 {
            self.lookups.insert(inode, left);
            return false;
        }
        self.lookups.remove(&inode);
        self.bare.remove(&inode);
        true
    }
}
