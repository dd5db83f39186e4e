//! Inodes against the names that lead to them.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::format::inode::{Inode, mode};
use crate::format::key::Key;
use crate::format::named::{self, Target};
use crate::seal::NamesKey;
use crate::volume::ROOT;

/// What is kept of an inode until its names were met: about 64 bytes.
struct Known {
    kind: u32,
    links: u32,
    parent: u64,
    inline: bool,
    /// Names that lead to it, and, of a directory, directories in it.
    names: u32,
    directories: u32,
    orphan: bool,
}

/// All inodes, and what was met of them. Entries come in the order of their keys: inodes first.
#[derive(Default)]
pub struct Names {
    known: BTreeMap<u64, Known>,
}

impl Names {
    pub fn inode(&mut self, number: u64, value: &[u8], next: u64, findings: &mut Findings) {
        let inode = match Inode::decode(value) {
            Ok(inode) => inode,
            Err(malformed) => return findings.add(malformed.0, about(number)),
        };
        if number >= next {
            findings.add("an inode's number is not given out yet", about(number));
        }
        let known = Known {
            kind: inode.mode & mode::TYPE,
            links: inode.links,
            parent: inode.parent,
            inline: !inode.inline.is_empty(),
            names: 0,
            directories: 0,
            orphan: false,
        };
        self.known.insert(number, known);
    }

    /// Names in a directory.
    pub fn entry(&mut self, key: Key, value: &[u8], names: &NamesKey, findings: &mut Findings) {
        let directory = self.known.get(&key.inode).map(|known| known.kind);
        if directory != Some(mode::DIRECTORY) {
            findings.add("a name is in no directory", about(key.inode));
        }
        for (name, value) in Self::list(key, value, names, findings) {
            let place = || format!("{}, name {}", about(key.inode), String::from_utf8_lossy(&name));
            let target = match Target::decode(&value) {
                Ok(target) => target,
                Err(malformed) => {
                    findings.add(malformed.0, place());
                    continue;
                }
            };
            let Some(known) = self
                .known
                .get_mut(&target.inode)
                .filter(|known| known.kind == target.kind)
            else {
                findings.add("a name leads to nothing of its type", place());
                continue;
            };
            known.names = known.names.saturating_add(1);
            if known.kind == mode::DIRECTORY {
                if known.parent != key.inode {
                    findings.add("a directory has another parent than where it is", place());
                }
                if let Some(parent) = self.known.get_mut(&key.inode) {
                    parent.directories = parent.directories.saturating_add(1);
                }
            }
        }
    }

    /// Extended attributes.
    pub fn attribute(&self, key: Key, value: &[u8], names: &NamesKey, findings: &mut Findings) {
        if !self.known.contains_key(&key.inode) {
            findings.add("an attribute of no inode", about(key.inode));
        }
        Self::list(key, value, names, findings);
    }

    /// The names of one hash, each at the hash that it has.
    fn list(key: Key, value: &[u8], names: &NamesKey, findings: &mut Findings) -> Vec<(Vec<u8>, Vec<u8>)> {
        let list = match named::decode(value) {
            Ok(list) => list,
            Err(malformed) => {
                findings.add(malformed.0, about(key.inode));
                return Vec::new();
            }
        };
        let mut met = BTreeSet::new();
        for named in &list {
            if names.offset(key.inode, &named.name) != key.offset || !met.insert(&named.name) {
                let name = String::from_utf8_lossy(&named.name);
                findings.add(
                    "a name is not where it belongs",
                    format!("{}, name {name}", about(key.inode)),
                );
            }
        }
        list.into_iter().map(|named| (named.name, named.value)).collect()
    }

    /// Data of a file.
    pub fn data(&self, number: u64, findings: &mut Findings) {
        match self.known.get(&number) {
            Some(known) if known.kind == mode::FILE && !known.inline => {}
            _ => findings.add("data of no file that has some outside its inode", about(number)),
        }
    }

    pub fn orphan(&mut self, number: u64, findings: &mut Findings) {
        match self.known.get_mut(&number) {
            Some(known) => known.orphan = true,
            None => findings.add("an orphan is no inode", about(number)),
        }
    }

    /// After all of them: links, and that everything hangs on the root.
    pub fn finish(&self, findings: &mut Findings) {
        for (number, known) in &self.known {
            let expected = match (*number, known.kind) {
                (ROOT, _) => (0, 2 + known.directories),
                (_, mode::DIRECTORY) if known.names > 0 => (1, 2 + known.directories),
                _ => (known.links, known.names),
            };
            if (known.names, known.links) != expected {
                findings.add("an inode has not as many links as names", about(*number));
            }
            if known.orphan != (known.links == 0) {
                findings.add(
                    "what has no name is not among the orphans, or the reverse",
                    about(*number),
                );
            }
        }
        if self.known.get(&ROOT).map(|root| root.kind) != Some(mode::DIRECTORY) {
            findings.add("there is no root directory", about(ROOT));
        }
        self.find_detached(findings);
    }

    /// Directories that are below one another and not below the root.
    fn find_detached(&self, findings: &mut Findings) {
        let mut hang = BTreeSet::from([ROOT]);
        for (number, known) in &self.known {
            if known.kind != mode::DIRECTORY || known.links == 0 {
                continue;
            }
            let (mut at, mut way) = (*number, BTreeSet::new());
            while !hang.contains(&at) && way.insert(at) {
                at = self.known.get(&at).map_or(at, |known| known.parent);
            }
            if hang.contains(&at) {
                hang.append(&mut way);
            } else {
                findings.add("a directory does not hang on the root", about(*number));
            }
        }
    }

    pub fn inodes(&self) -> u64 {
        self.known.len() as u64
    }
}

fn about(inode: u64) -> String {
    format!("inode {inode}")
}
