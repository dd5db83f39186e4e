//! Reading a sealed layer: no byte leaves it unverified.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use casemate_sys::LANES;

use super::format::{HASH, HEAD, Head, MAGIC, PIECE, Protection, Shape, place};
use super::keys::LayerKey;
use super::tree::{Hasher, Root};
use super::{Error, ImageKey};

/// Verified pieces that are kept: 32 MiB.
const KEPT: usize = 2048;
/// Who reads no more than so many bytes is likely to want others of the same pieces: inodes, names, maps, small files.
const SHORT: usize = 2 * PIECE;

/// Bytes of the pieces that are hashed at the same time.
const FOUR: usize = LANES * PIECE;
/// Pieces that are read from the host at once.
const ROW: usize = 64;

type Piece = Arc<[u8; PIECE]>;
/// A sealed piece of the file system, and its number.
type Numbered<'r> = (u64, &'r [u8]);

thread_local! {
    /// Where each thread reads sealed pieces into: memory of that size is new, and cleared, each time it is asked for.
    static SEALED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// An open layer. Threads may share it.
#[derive(Debug)]
pub struct Layer {
    file: File,
    /// Where the layer begins in it.
    start: u64,
    head: Head,
    shape: Shape,
    key: Option<LayerKey>,
    hasher: Hasher,
    root: Root,
    /// Of the tree, and of what is read in short parts; by number.
    verified: Mutex<HashMap<u64, Piece>>,
}

impl Layer {
    /// Opens a layer that should have this root. Encrypted if and only if there is a key.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Length`], [`Error::Protection`], [`Error::Tampered`], [`Error::Io`].
    pub fn open(file: File, root: Root, key: Option<&ImageKey>) -> Result<Self, Error> {
        let length = file.metadata()?.len();
        Self::open_within(file, 0, length, root, key)
    }

    /// Whether a file begins as a sealed layer does; nothing is said about the rest of it.
    ///
    /// # Errors
    /// The host's; a file that is too short is none.
    pub fn begins(file: &File) -> std::io::Result<bool> {
        let mut magic = [0; MAGIC.len()];
        match file.read_exact_at(&mut magic, 0) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| magic == *MAGIC),
        }
    }

    /// Opens a layer that is a part of a file: so many bytes, from `start` on.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_within(file: File, start: u64, length: u64, root: Root, key: Option<&ImageKey>) -> Result<Self, Error> {
        let head = head(&file, start, length)?;
        if (head.protection == Protection::Encrypted) != key.is_some() {
            return Err(Error::Protection);
        }
        let layer = Self {
            head,
            shape: head.shape(),
            key: key.map(|key| key.layer(&root)).transpose()?,
            hasher: Hasher::new(key)?,
            root,
            verified: Mutex::default(),
            start,
            file,
        };
        layer.kept(layer.shape.levels() - 1, 0)?;
        Ok(layer)
    }

    /// Bytes of the file system.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.head.size
    }

    /// Reads and verifies everything; `read` is told of bytes that were, now and then.
    ///
    /// # Errors
    /// [`Error::Tampered`], [`Error::Io`].
    pub fn verify(&self, read: &mut impl FnMut(u64)) -> Result<(), Error> {
        let mut room = vec![0; ROW * PIECE];
        let mut at = 0;
        while at < self.head.size {
            let count = self.read_at(at, &mut room)? as u64;
            at += count;
            read(count);
        }
        Ok(())
    }

    /// Reads from an offset on; how many bytes there were. Where that fails, `out` has nothing of the layer.
    ///
    /// # Errors
    /// [`Error::Tampered`], [`Error::Io`].
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize, Error> {
        let left = self.head.size.saturating_sub(offset);
        let count = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        let out = &mut out[..count];
        let read = self.read(offset, out);
        if read.is_err() {
            // Pieces are opened there before they are verified.
            out.fill(0);
        }
        read.map(|()| count)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let most = if out.len() <= SHORT { PIECE } else { ROW * PIECE };
        let (mut at, mut rest) = (offset, out);
        while !rest.is_empty() {
            let (first, within) = (at / PIECE as u64, (at % PIECE as u64) as usize);
            let length = rest.len().min(most - within);
            let (room, behind) = rest.split_at_mut(length);
            if most == PIECE {
                room.copy_from_slice(&self.kept(0, first)?[within..within + length]);
            } else {
                SEALED.with_borrow_mut(|sealed| self.read_row(first, within, room, sealed))?;
            }
            (at, rest) = (at + length as u64, behind);
        }
        Ok(())
    }

    /// Reads from within a piece on, from pieces in a row.
    fn read_row(&self, first: u64, within: usize, out: &mut [u8], sealed: &mut Vec<u8>) -> Result<(), Error> {
        let pieces = self.sealed(0, first, (within + out.len()).div_ceil(PIECE), sealed)?;
        let mut pieces = (first..).zip(pieces);
        let (begun, whole) = out.split_at_mut(if within == 0 { 0 } else { out.len().min(PIECE - within) });
        if !begun.is_empty() {
            self.open_part(pieces.next(), within, begun)?;
        }
        for room in whole.chunks_mut(FOUR) {
            match room.first_chunk_mut() {
                Some(four) => self.open_four(&mut pieces, four)?,
                None => room
                    .chunks_mut(PIECE)
                    .try_for_each(|room| self.open_part(pieces.next(), 0, room))?,
            }
        }
        Ok(())
    }

    /// Reads sealed pieces of a level, in one go.
    fn sealed<'r>(
        &self,
        level: usize,
        first: u64,
        count: usize,
        room: &'r mut Vec<u8>,
    ) -> Result<std::slice::ChunksExact<'r, u8>, Error> {
        let stride = usize::try_from(self.head.stride()).map_err(|_| Error::Size)?;
        let length = count * stride;
        room.resize(room.len().max(length), 0);
        let room = &mut room[..length];
        let at = self.head.at(self.shape.first(level) + first);
        self.file.read_exact_at(room, self.start + at)?;
        Ok(room.chunks_exact(stride))
    }

    /// A part of a piece.
    fn open_part(&self, piece: Option<Numbered<'_>>, from: usize, out: &mut [u8]) -> Result<(), Error> {
        let (index, sealed) = piece.ok_or(Error::Size)?;
        let mut piece = [0; PIECE];
        self.open_piece(0, index, sealed, &mut piece)?;
        out.copy_from_slice(&piece[from..from + out.len()]);
        Ok(())
    }

    /// Whole pieces, hashed at the same time.
    fn open_four<'r>(
        &self,
        sealed: &mut impl Iterator<Item = Numbered<'r>>,
        out: &mut [u8; FOUR],
    ) -> Result<(), Error> {
        let mut rest = &mut out[..];
        let mut opened = [(0, &[0; PIECE]); LANES];
        for opened in &mut opened {
            let (index, sealed) = sealed.next().ok_or(Error::Size)?;
            let (piece, behind) = rest.split_first_chunk_mut().ok_or(Error::Size)?;
            self.decrypt(index, sealed, piece)?;
            *opened = (index, &*piece);
            rest = behind;
        }
        let hashes = self.hasher.four(0, opened.map(|(_, piece)| piece));
        let mut found = opened.into_iter().zip(hashes);
        found.try_for_each(|((index, _), hash)| self.check(0, index, &hash))
    }

    /// Opens a piece, and verifies it; until then nobody may have what `piece` holds.
    fn open_piece(&self, level: usize, index: u64, sealed: &[u8], piece: &mut [u8; PIECE]) -> Result<(), Error> {
        self.decrypt(self.shape.first(level) + index, sealed, piece)?;
        self.check(level, index, &self.hasher.piece(level, piece))
    }

    /// Opens a piece that nobody has verified then.
    fn decrypt(&self, number: u64, sealed: &[u8], piece: &mut [u8; PIECE]) -> Result<(), Error> {
        match &self.key {
            Some(key) => key.open(number, sealed, piece),
            None => sealed.first_chunk().map(|sealed| *piece = *sealed).ok_or(Error::Size),
        }
    }

    fn check(&self, level: usize, index: u64, hash: &[u8; HASH]) -> Result<(), Error> {
        if !self.is_bound(level, index, hash)? {
            return Err(Error::Tampered {
                piece: self.shape.first(level) + index,
            });
        }
        Ok(())
    }

    /// Whether the hash of a piece is the one that the tree has; of the last, that the root has.
    fn is_bound(&self, level: usize, index: u64, hash: &[u8; HASH]) -> Result<bool, Error> {
        if level + 1 == self.shape.levels() {
            return Ok(self.hasher.root(self.head.size, hash) == self.root);
        }
        let (above, at) = place(index);
        let hashes = self.kept(level + 1, above)?;
        Ok(hashes[at..at + HASH] == hash[..])
    }

    /// A verified piece, that is kept from then on.
    fn kept(&self, level: usize, index: u64) -> Result<Piece, Error> {
        let number = self.shape.first(level) + index;
        let known = self.verified().get(&number).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut room = Vec::new();
        let sealed = self.sealed(level, index, 1, &mut room)?.next().ok_or(Error::Size)?;
        let mut piece = [0; PIECE];
        self.open_piece(level, index, sealed, &mut piece)?;
        let piece = Arc::new(piece);
        let mut verified = self.verified();
        if verified.len() >= KEPT {
            verified.clear();
        }
        verified.insert(number, Arc::clone(&piece));
        Ok(piece)
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Piece>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head(file: &File, start: u64, got: u64) -> Result<Head, Error> {
    let mut bytes = [0; HEAD];
    if got < HEAD as u64 || start.checked_add(got).is_none() {
        return Err(Error::Unknown);
    }
    file.read_exact_at(&mut bytes, start)?;
    let head = Head::decode(&bytes)?;
    let expected = head.length();
    if got != expected {
        return Err(Error::Length { expected, got });
    }
    Ok(head)
}
