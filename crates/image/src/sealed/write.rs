//! Writing a sealed layer.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::format::{HASH, Head, PIECE, Protection, TAG};
use super::keys::LayerKey;
use super::tree::{Tree, read};
use super::{Error, ImageKey};

/// Pieces of one batch: 4 MiB.
const BATCH: u64 = 256;
/// Batches that wait to be written.
const WAITING: usize = 2;

/// Writes the sealed layer of a file system whose tree was made with the same key, from its first byte to its last.
///
/// # Errors
/// [`Error::Io`], and [`Error::Tampered`] if the file system changed since: then what was written must be thrown away.
pub fn seal(image: &File, tree: &Tree, key: Option<&ImageKey>, out: &mut impl Write) -> Result<(), Error> {
    let head = head(tree, key);
    let key = key.map(|key| key.layer(&tree.root())).transpose()?;
    out.write_all(&head.encode())?;
    thread::scope(|scope| {
        let (send, sealed) = sync_channel(WAITING);
        scope.spawn(move || {
            for first in (0..tree.shape.all()).step_by(BATCH as usize) {
                let batch = batch(image, tree, key.as_ref(), first);
                if send.send(batch).is_err() {
                    return;
                }
            }
        });
        sealed.into_iter().try_for_each(|batch| Ok(out.write_all(&batch?)?))
    })
}

fn head(tree: &Tree, key: Option<&ImageKey>) -> Head {
    let protection = match key {
        Some(_) => Protection::Encrypted,
        None => Protection::Authenticated,
    };
    Head {
        protection,
        size: tree.size,
    }
}

/// Sealed pieces from one on.
fn batch(image: &File, tree: &Tree, key: Option<&LayerKey>, first: u64) -> Result<Vec<u8>, Error> {
    let last = (first + BATCH).min(tree.shape.all());
    let mut bytes = Vec::with_capacity(BATCH as usize * (PIECE + TAG));
    let mut piece = Box::new([0; PIECE]);
    for number in first..last {
        plain(image, tree, number, &mut piece)?;
        let tag = key.map(|key| key.seal(number, &mut piece)).transpose()?;
        bytes.extend_from_slice(&piece[..]);
        bytes.extend(tag.into_iter().flatten());
    }
    Ok(bytes)
}

/// A piece of the file system, or of its tree. Sealed is only what was hashed: another plaintext under the same number
/// would be a second one under the same nonce.
fn plain(image: &File, tree: &Tree, number: u64, piece: &mut [u8; PIECE]) -> Result<(), Error> {
    let content = tree.shape.pieces(0);
    if let Some(index) = number.checked_sub(content) {
        piece.copy_from_slice(&tree.pieces[usize::try_from(index).map_err(|_| Error::Size)?][..]);
        return Ok(());
    }
    read(image, tree.size, number, piece)?;
    if tree.hash(number) != Some(tree.hasher.piece(0, piece)) {
        return Err(Error::Tampered { piece: number });
    }
    Ok(())
}

impl Tree {
    /// Bytes of the sealed layer.
    #[must_use]
    pub fn sealed_length(&self, key: Option<&ImageKey>) -> u64 {
        head(self, key).length()
    }

    /// The hash of a piece of the file system.
    fn hash(&self, number: u64) -> Option<[u8; HASH]> {
        let (piece, at) = super::format::place(number);
        let hashes = self.pieces.get(usize::try_from(piece).ok()?)?;
        hashes[at..at + HASH].try_into().ok()
    }
}
