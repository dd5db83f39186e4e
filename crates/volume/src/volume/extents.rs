//! Which sealed blocks a file shows where.

use std::ops::Range;

use super::Volume;
use crate::Error;
use crate::format::extent::Extent;
use crate::format::key::{Key, Kind};
use crate::format::{BLOCK, PIECE_BLOCKS};
use crate::seal::Purpose;
use crate::store::{Sealed, Store, place};
use crate::tree::Tree;

/// The piece that was read last, opened.
pub struct Piece {
    address: u64,
    fence: u64,
    counter: u64,
    bytes: Vec<u8>,
}

/// The extent that was read last.
pub struct Shown {
    inode: u64,
    at: u64,
    extent: Extent,
}

impl Volume {
    /// Shows an extent at a block of a file instead of what was there.
    pub(super) fn show(&mut self, inode: u64, at: u64, extent: Extent) -> Result<(), Error> {
        self.hide(inode, at, at + u64::from(extent.count))?;
        self.put_extent(inode, at, &extent)
    }

    /// Takes all data of a range of blocks away.
    pub(super) fn hide(&mut self, inode: u64, from: u64, to: u64) -> Result<(), Error> {
        self.shown = None;
        self.drop_pages(inode, from, to);
        while let Some((at, extent)) = self.extent_in(inode, from, to)? {
            let (tree, mut context) = self.edit();
            tree.remove(&mut context, key(inode, at))?;
            let end = at + u64::from(extent.count);
            if at < from {
                self.put_extent(inode, at, &part(&extent, 0, from - at))?;
            }
            if end > to {
                self.put_extent(inode, to, &part(&extent, to - at, end - to))?;
            }
            self.free_pieces(inode, at, &extent, from..to)?;
        }
        Ok(())
    }

    /// The first extent that shows a block in `from..to`, and where it begins.
    pub(super) fn extent_in(&mut self, inode: u64, from: u64, to: u64) -> Result<Option<(u64, Extent)>, Error> {
        extent_in(&self.tree, &mut self.store, inode, from..to)
    }

    fn put_extent(&mut self, inode: u64, at: u64, extent: &Extent) -> Result<(), Error> {
        let value = extent.encode(self.store.roots);
        let (tree, mut context) = self.edit();
        tree.put(&mut context, key(inode, at), value)
    }

    /// Frees those pieces of a removed extent that no other part of it shows. One that lies whole in what was hidden
    /// cannot be shown any more; for the others, at both ends, the tree says.
    fn free_pieces(&mut self, inode: u64, at: u64, removed: &Extent, hidden: Range<u64>) -> Result<(), Error> {
        let base = at.saturating_sub(removed.start.into());
        let gone = hidden.start.max(at)..hidden.end.min(at + u64::from(removed.count));
        let generation = self.generation();
        for piece in removed.shown_pieces() {
            let (address, blocks) = removed.piece(piece);
            let from = base + u64::from(piece) * u64::from(PIECE_BLOCKS);
            let window = from..from + u64::from(blocks);
            let whole = gone.start <= window.start && window.end <= gone.end;
            if whole || !self.is_shown(inode, removed, window)? {
                let left = self.space.leave(address, blocks, removed.birth, generation);
                left.map_err(|malformed| Error::malformed(malformed, place(address)))?;
            }
        }
        Ok(())
    }

    /// Whether the file still shows something of a sealed extent in a range of blocks.
    fn is_shown(&mut self, inode: u64, sealed: &Extent, mut within: Range<u64>) -> Result<bool, Error> {
        let identity = |extent: &Extent| (extent.address, extent.counter, extent.fence);
        while !within.is_empty() {
            match self.extent_in(inode, within.start, within.end)? {
                Some((_, extent)) if identity(&extent) == identity(sealed) => return Ok(true),
                Some((at, extent)) => within.start = at + u64::from(extent.count),
                None => break,
            }
        }
        Ok(false)
    }

    /// Reads one block of a file from where it is stored: its inode, an extent, or nowhere.
    pub(super) fn read_block(&mut self, inode: u64, index: u64, out: &mut [u8]) -> Result<(), Error> {
        out.fill(0);
        if index == 0 {
            let stored = self.stored_inode(inode)?.inline;
            out[..stored.len().min(BLOCK)].copy_from_slice(&stored[..stored.len().min(BLOCK)]);
            if !stored.is_empty() {
                return Ok(());
            }
        }
        let Some(shown) = self.shown_at(inode, index)? else {
            return Ok(());
        };
        let block = shown.extent.start + u32::try_from(index - shown.at).unwrap_or(0);
        let read = self.read_piece(&shown.extent, block / PIECE_BLOCKS);
        self.shown = Some(shown);
        read?;
        let offset = (block % PIECE_BLOCKS) as usize * BLOCK;
        if let Some(piece) = &self.piece {
            out.copy_from_slice(&piece.bytes[offset..offset + BLOCK]);
        }
        Ok(())
    }

    /// The extent that shows a block: mostly the one that showed the block before.
    fn shown_at(&mut self, inode: u64, index: u64) -> Result<Option<Shown>, Error> {
        let covers = |shown: &Shown| {
            shown.inode == inode && (shown.at..shown.at + u64::from(shown.extent.count)).contains(&index)
        };
        if let Some(shown) = self.shown.take().filter(covers) {
            return Ok(Some(shown));
        }
        let found = self.extent_in(inode, index, index + 1)?;
        Ok(found.map(|(at, extent)| Shown { inode, at, extent }))
    }

    /// Opens a piece, unless it was the last one.
    pub(super) fn read_piece(&mut self, extent: &Extent, index: u32) -> Result<(), Error> {
        let (address, blocks) = extent.piece(index);
        let counter = extent.counter.saturating_add(index.into());
        let same = |piece: &Piece| (piece.address, piece.fence, piece.counter) == (address, extent.fence, counter);
        if self.piece.as_ref().is_some_and(same) {
            return Ok(());
        }
        let mut bytes = vec![0; blocks as usize * BLOCK];
        let sealed = Sealed {
            fence: extent.fence,
            counter,
            check: extent.checks[index as usize],
        };
        self.piece = None;
        self.store.open(Purpose::Data, address, &sealed, &mut bytes)?;
        self.piece = Some(Piece {
            address,
            fence: extent.fence,
            counter,
            bytes,
        });
        Ok(())
    }
}

/// The first extent of a tree that shows a block in a range, and where it begins.
pub fn extent_in(
    tree: &Tree,
    store: &mut Store,
    inode: u64,
    within: Range<u64>,
) -> Result<Option<(u64, Extent)>, Error> {
    let before = tree.floor(store, key(inode, within.start))?;
    if let Some((at, extent)) = extent_of(store, inode, before)? {
        if at + u64::from(extent.count) > within.start {
            return Ok(Some((at, extent)));
        }
    }
    let after = tree.next(store, key(inode, within.start))?;
    Ok(extent_of(store, inode, after)?.filter(|(at, _)| *at < within.end))
}

fn extent_of(store: &Store, inode: u64, found: Option<(Key, Vec<u8>)>) -> Result<Option<(u64, Extent)>, Error> {
    let Some((key, value)) = found.filter(|(key, _)| key.kind == Kind::Extent && key.inode == inode) else {
        return Ok(None);
    };
    let extent = Extent::decode(&value, store.roots);
    let extent = extent.map_err(|malformed| Error::malformed(malformed, "the tree"))?;
    Ok(Some((key.offset / BLOCK as u64, extent)))
}

fn key(inode: u64, block: u64) -> Key {
    Key::new(Kind::Extent, inode, block.saturating_mul(BLOCK as u64))
}

/// Some of the blocks that an extent shows.
pub(super) fn part(extent: &Extent, skip: u64, count: u64) -> Extent {
    let narrow = |value: u64| u32::try_from(value).unwrap_or(0);
    Extent {
        start: extent.start + narrow(skip),
        count: narrow(count),
        ..extent.clone()
    }
}
