//! Writing a sealed layer.

use std::io::{self, Write};
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use super::Error;
use super::format::{Head, PIECE, Protection, TAG};
use super::growing::Hashed;
use super::keys::LayerKey;

/// Pieces of one batch: 2 MiB.
const BATCH: u64 = 128;
/// Batches of each thread that wait to be written.
const WAITING: usize = 1;

/// Writes the sealed layer of a file system, from its first byte to its last.
///
/// # Errors
/// [`Error::Io`], and [`Error::Changed`] if the file system did since it was hashed: then what was written must be thrown
/// away.
pub fn seal(hashed: &Hashed, out: &mut impl Write) -> Result<(), Error> {
    let key = hashed.key.as_ref().map(|key| key.layer(&hashed.root())).transpose()?;
    out.write_all(&hashed.head().encode())?;
    let starts = (0..hashed.tree.shape.all()).step_by(BATCH as usize);
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        let working = |worker| {
            let (send, sealed) = sync_channel(WAITING);
            let (give_back, room) = channel::<Vec<u8>>();
            let (mine, key) = (starts.clone().skip(worker).step_by(workers), key.as_ref());
            scope.spawn(move || {
                for first in mine {
                    let room = room.try_recv().unwrap_or_default();
                    if send.send(hashed.batch(key, first, room)).is_err() {
                        return;
                    }
                }
            });
            (sealed, give_back)
        };
        let working: Vec<_> = (0..workers).map(working).collect();
        for (number, _) in starts.clone().enumerate() {
            let (sealed, give_back) = &working[number % workers];
            // A worker that is gone had nothing more to say: it said its error.
            let batch = sealed.recv().map_err(|_| Error::Cipher)??;
            out.write_all(&batch)?;
            // A worker that is gone needs no room.
            let _ = give_back.send(batch);
        }
        Ok(())
    })
}

impl Hashed {
    /// Bytes of the sealed layer.
    #[must_use]
    pub fn sealed_length(&self) -> u64 {
        self.head().length()
    }

    fn head(&self) -> Head {
        let protection = match self.key {
            Some(_) => Protection::Encrypted,
            None => Protection::Authenticated,
        };
        Head {
            protection,
            size: self.tree.size,
        }
    }

    /// Sealed pieces from one on, in `room`.
    fn batch(&self, key: Option<&LayerKey>, first: u64, mut room: Vec<u8>) -> Result<Vec<u8>, Error> {
        let count = BATCH.min(self.tree.shape.all() - first) as usize;
        let stride = PIECE + key.map_or(0, |_| TAG);
        room.resize(count * stride, 0);
        for (number, sealed) in (first..).zip(room.chunks_exact_mut(stride)) {
            let (piece, tag) = sealed.split_first_chunk_mut().ok_or(Error::Size)?;
            self.piece(number, piece)?;
            if let Some(key) = key {
                tag.copy_from_slice(&key.seal(number, piece)?);
            }
        }
        Ok(room)
    }

    /// A piece of the file system, or of its tree. Sealed is only what was hashed: another plaintext under the same number
    /// would be a second one under the same nonce.
    fn piece(&self, number: u64, piece: &mut [u8; PIECE]) -> Result<(), Error> {
        let content = self.tree.shape.pieces(0);
        if let Some(index) = number.checked_sub(content) {
            piece.copy_from_slice(&self.tree.pieces[usize::try_from(index).map_err(|_| Error::Size)?][..]);
            return Ok(());
        }
        self.plain.read(number, piece).map_err(|error| match error.kind() {
            // Both files were longer.
            io::ErrorKind::UnexpectedEof => Error::Changed { piece: number },
            _ => Error::Io(error),
        })?;
        if !self.tree.knows(number, piece)? {
            return Err(Error::Changed { piece: number });
        }
        Ok(())
    }
}
