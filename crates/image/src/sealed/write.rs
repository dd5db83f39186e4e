//! Writing a sealed layer.

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::format::{Head, PIECE, Protection, TAG};
use super::keys::LayerKey;
use super::tree::{Tree, read};
use super::{Error, ImageKey};

/// Pieces of one batch: 2 MiB.
const BATCH: u64 = 128;
/// Batches of each thread that wait to be written.
const WAITING: usize = 1;

/// Writes the sealed layer of a file system whose tree was made with the same key, from its first byte to its last.
///
/// # Errors
/// [`Error::Io`], and [`Error::Tampered`] if the file system changed since: then what was written must be thrown away.
pub fn seal(image: &File, tree: &Tree, key: Option<&ImageKey>, out: &mut impl Write) -> Result<(), Error> {
    let head = head(tree, key);
    let key = key.map(|key| key.layer(&tree.root())).transpose()?;
    out.write_all(&head.encode())?;
    let starts = (0..tree.shape.all()).step_by(BATCH as usize);
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        let working = |worker| {
            let (send, sealed) = sync_channel(WAITING);
            let (mine, key) = (starts.clone().skip(worker).step_by(workers), key.as_ref());
            scope.spawn(move || {
                for first in mine {
                    if send.send(batch(image, tree, key, first)).is_err() {
                        return;
                    }
                }
            });
            sealed
        };
        let sealed: Vec<_> = (0..workers).map(working).collect();
        for (number, _) in starts.clone().enumerate() {
            // A worker that is gone had nothing more to say: it said its error.
            let batch = sealed[number % workers].recv().map_err(|_| Error::Cipher)?;
            out.write_all(&batch?)?;
        }
        Ok(())
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
    if !tree.knows(number, piece)? {
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
}
