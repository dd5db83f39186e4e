//! A file system that is hashed while it is written.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use casemate_erofs::{BLOCK, Out};

use super::format::{PIECE, check_size};
use super::hashing::{Batch, Hashing};
use super::plain::{self, Lent, Lies, Plain};
use super::tree::{Root, Tree};
use super::{Error, ImageKey};

/// Bytes of a batch.
const BATCH: usize = 64 * PIECE;

/// Takes a file system, from its first byte to its last.
pub struct Growing {
    hashing: Hashing,
    key: Option<ImageKey>,
    archive: Option<File>,
    lent: Vec<Lent>,
    /// What came and was not hashed yet.
    batch: Vec<u8>,
    /// Bytes that came.
    size: u64,
    /// The first piece, whose first block comes last.
    first_piece: Vec<u8>,
    /// The file system has another first block than the one that came first.
    first_block: Option<[u8; BLOCK]>,
}

/// A file system that is complete and hashed: it can be sealed.
pub struct Hashed {
    pub(super) plain: Plain,
    pub(super) tree: Tree,
    pub(super) key: Option<ImageKey>,
}

impl Growing {
    /// For a layer under a key, or one that everybody may read. `kept`, an empty file, holds it until it is sealed; but
    /// what is said to lie in `archive`, if there is one, is read from there again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(kept: File, archive: Option<File>, key: Option<&ImageKey>) -> Result<Self, Error> {
        Ok(Self {
            hashing: Hashing::new(kept, key)?,
            key: key.cloned(),
            archive,
            lent: Vec::new(),
            batch: Vec::with_capacity(BATCH),
            size: 0,
            first_piece: Vec::new(),
            first_block: None,
        })
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Size`].
    pub fn finish(mut self) -> Result<Hashed, Error> {
        check_size(self.size)?;
        self.hand_over()?;
        let (mut found, working) = self.hashing.finish()?;
        working.kept.set_len(self.size)?;
        if let Some(block) = self.first_block {
            self.first_piece[..BLOCK].copy_from_slice(&block);
            self.first_piece.resize(PIECE, 0);
            working.kept.write_all_at(&block, 0)?;
            found[0] = working.piece(0, &self.first_piece)?;
        }
        let plain = Plain {
            kept: Arc::clone(&working.kept),
            archive: self.archive,
            lent: self.lent,
            size: self.size,
        };
        Ok(Hashed {
            tree: Tree::over(found, self.size, working),
            plain,
            key: self.key,
        })
    }

    /// The batch, filled up with zeros to whole pieces.
    fn hand_over(&mut self) -> Result<(), Error> {
        let length = self.batch.len();
        let at = self.size - length as u64;
        let parts = plain::parts(&self.lent, at, length);
        let keep = parts
            .filter(|part| part.lies == Lies::Kept)
            .map(|part| part.bytes)
            .collect();
        let mut bytes = std::mem::take(&mut self.batch);
        bytes.resize(length.next_multiple_of(PIECE), 0);
        let first = at / PIECE as u64;
        self.batch = self.hashing.give(Batch { first, bytes, keep })?;
        self.batch.clear();
        self.batch.reserve_exact(BATCH);
        Ok(())
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(BATCH - self.batch.len())];
        let heads = bytes.len().min(PIECE - self.first_piece.len());
        self.first_piece.extend_from_slice(&bytes[..heads]);
        self.batch.extend_from_slice(bytes);
        self.size += bytes.len() as u64;
        if self.batch.len() == BATCH {
            self.hand_over().map_err(|error| match error {
                Error::Io(error) => error,
                error => io::Error::other(error),
            })?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Growing {
    fn also_lies(&mut self, at: u64, length: usize) {
        if self.archive.is_some() {
            plain::lend(&mut self.lent, self.size, at, length as u64);
        }
    }

    fn first_block(&mut self, block: &[u8; BLOCK]) -> io::Result<()> {
        self.first_block = Some(*block);
        Ok(())
    }
}

impl Hashed {
    /// The layer's root.
    #[must_use]
    pub fn root(&self) -> Root {
        self.tree.root()
    }
}
