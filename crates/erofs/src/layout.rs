//! Where inodes lie, and what has no place beside its inode: decided before any of it is written.

use crate::content::Place;
use crate::directory;
use crate::inode::{INODE, Kind, SLOT};
use crate::tree::{Node, Tree};
use crate::{BLOCK, Error, INLINE, xattr};

/// An inode that is written.
pub struct Placed {
    pub node: Node,
    /// Bytes from the start of the inodes on.
    pub at: u64,
    /// Bytes of its extended attributes.
    pub extended: usize,
    /// Bytes of what it holds.
    pub size: u64,
    /// Where that lies; [`Place::Row`] of what comes behind the inodes counts from there.
    pub place: Place,
    pub links: u32,
    /// The directory that holds it, for "..".
    pub above: Node,
}

/// All inodes that have a name, and where each lies.
pub struct Layout {
    pub placed: Vec<Placed>,
    /// By node: its index in `placed`.
    index: Vec<Option<u32>>,
    /// Bytes of the inodes and what is beside them.
    pub length: u64,
    /// Blocks behind them.
    pub behind: u32,
}

impl Layout {
    pub fn of(tree: &Tree) -> Result<Self, Error> {
        let mut layout = Self {
            placed: Vec::new(),
            index: vec![None; tree.len()],
            // No inode has number 0: programs take that for an entry that is not there.
            length: SLOT as u64,
            behind: 0,
        };
        layout.add(tree, Tree::ROOT, Tree::ROOT)?;
        Ok(layout)
    }

    /// An inode's number.
    pub fn number(&self, node: Node) -> u64 {
        self.get(node).map_or(0, |placed| placed.at / SLOT as u64)
    }

    fn get(&self, node: Node) -> Option<&Placed> {
        self.index[node.0 as usize].map(|index| &self.placed[index as usize])
    }

    /// A directory's inode before those of what is in it, so that what is looked up together lies together.
    fn add(&mut self, tree: &Tree, root: Node, above: Node) -> Result<(), Error> {
        let mut waiting = vec![(root, above)];
        while let Some((node, above)) = waiting.pop() {
            if let Some(index) = self.index[node.0 as usize] {
                self.placed[index as usize].links += 1;
                continue;
            }
            self.place(tree, node, above)?;
            let entries = &tree.get(node).entries;
            waiting.extend(entries.values().rev().map(|entry| (*entry, node)));
        }
        Ok(())
    }

    fn place(&mut self, tree: &Tree, node: Node, above: Node) -> Result<(), Error> {
        let inode = tree.get(node);
        let extended = xattr::encode(&inode.attributes.extended)?.len();
        let (size, place) = match &inode.kind {
            Kind::File(content) => (content.size, content.place.clone()),
            Kind::Link(target) => self.short_or_behind(target.len())?,
            Kind::Directory => self.short_or_behind(directory::size(names(tree, node)))?,
            _ => (0, Place::Nowhere),
        };
        let beside = match &place {
            Place::Inline => usize::try_from(size).unwrap_or(INLINE),
            Place::Chunks { map, .. } => map.len() * size_of::<u32>(),
            Place::Nowhere | Place::Row { .. } => 0,
        };
        let before = INODE + extended;
        let at = start(self.length, before, if place == Place::Inline { beside } else { 0 });
        self.length = (at + (before + beside) as u64).next_multiple_of(SLOT as u64);
        self.index[node.0 as usize] = Some(u32::try_from(self.placed.len()).map_err(|_| Error::TooLarge)?);
        self.placed.push(Placed {
            node,
            at,
            extended,
            size,
            place,
            links: links(tree, node),
            above,
        });
        Ok(())
    }

    fn short_or_behind(&mut self, length: usize) -> Result<(u64, Place), Error> {
        let size = length as u64;
        if length <= INLINE {
            return Ok((size, Place::Inline));
        }
        let first = self.behind;
        let blocks = u32::try_from(length.div_ceil(BLOCK)).map_err(|_| Error::TooLarge)?;
        self.behind = first.checked_add(blocks).ok_or(Error::TooLarge)?;
        Ok((size, Place::Row { first }))
    }
}

/// Where an inode may begin, from `free` on: what is inline must not cross from one block into another.
fn start(free: u64, before: usize, inline: usize) -> u64 {
    let (block, first) = (BLOCK as u64, free + before as u64);
    if inline == 0 || first % block + inline as u64 <= block {
        return free;
    }
    free + (block - first % block).next_multiple_of(SLOT as u64)
}

/// Names that lead to it; of a directory also "." and each ".." below. More names of others are counted as they come.
fn links(tree: &Tree, node: Node) -> u32 {
    if !tree.is_directory(node) {
        return 1;
    }
    let below = tree
        .get(node)
        .entries
        .values()
        .filter(|entry| tree.is_directory(**entry));
    u32::try_from(below.count()).unwrap_or(u32::MAX).saturating_add(2)
}

/// Names in a directory, sorted, "." and ".." with the others.
fn names(tree: &Tree, node: Node) -> impl Iterator<Item = &[u8]> {
    let mut names: Vec<&[u8]> = vec![b".", b".."];
    names.extend(tree.get(node).entries.keys().map(|name| &**name));
    names.sort_unstable();
    names.into_iter()
}
