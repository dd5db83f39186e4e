//! Hashing pieces, with all processors.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use casemate_sys::LANES;

use super::format::{HASH, PIECE, TAG};
use super::keys::Marks;
use super::tree::Hasher;
use super::{Error, ImageKey};

/// A piece's hash and its mark.
pub type Found = ([u8; HASH], [u8; TAG]);

/// Pieces in a row.
pub struct Batch {
    /// Number of the first.
    pub first: u64,
    /// Whole pieces.
    pub bytes: Vec<u8>,
    /// What of them must be written to the file.
    pub keep: Vec<Range<usize>>,
}

/// What became of a batch.
type Done = (Batch, Result<Vec<Found>, Error>);

/// Batches that wait, beside those that are worked at.
const WAITING: usize = 2;

/// Threads that hash and keep, until they are [finished](Self::finish) or dropped.
pub struct Hashing {
    give: Sender<Batch>,
    take: Receiver<Done>,
    working: Arc<Working>,
    workers: usize,
    under_way: usize,
    found: Vec<Found>,
}

/// What the threads share.
pub struct Working {
    pub hasher: Hasher,
    pub marking: Marks,
    pub kept: Arc<File>,
}

impl Hashing {
    pub fn new(kept: File, key: Option<&ImageKey>) -> Result<Self, Error> {
        let working = Arc::new(Working {
            hasher: Hasher::new(key)?,
            marking: Marks::new()?,
            kept: Arc::new(kept),
        });
        let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (give, given) = channel();
        let (done, take) = channel();
        let given = Arc::new(Mutex::new(given));
        for _ in 0..workers {
            let (working, given, done) = (Arc::clone(&working), Arc::clone(&given), done.clone());
            thread::Builder::new().spawn(move || working.run(&given, &done))?;
        }
        Ok(Self {
            give,
            take,
            working,
            workers,
            under_way: 0,
            found: Vec::new(),
        })
    }

    /// Gives a batch; room for another one comes back.
    pub fn give(&mut self, batch: Batch) -> Result<Vec<u8>, Error> {
        self.give.send(batch).map_err(|_| Error::Cipher)?;
        self.under_way += 1;
        if self.under_way >= self.workers + WAITING {
            return self.next();
        }
        match self.take.try_recv() {
            Ok(done) => self.taken(done),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// All pieces' hashes and marks; and what they were made with.
    pub fn finish(mut self) -> Result<(Vec<Found>, Arc<Working>), Error> {
        while self.under_way > 0 {
            self.next()?;
        }
        Ok((self.found, self.working))
    }

    fn next(&mut self) -> Result<Vec<u8>, Error> {
        let done = self.take.recv().map_err(|_| Error::Cipher)?;
        self.taken(done)
    }

    fn taken(&mut self, (batch, outcome): Done) -> Result<Vec<u8>, Error> {
        self.under_way -= 1;
        let found = outcome?;
        let first = usize::try_from(batch.first).map_err(|_| Error::Size)?;
        if self.found.len() < first + found.len() {
            self.found.resize(first + found.len(), Found::default());
        }
        self.found[first..first + found.len()].copy_from_slice(&found);
        Ok(batch.bytes)
    }
}

impl Working {
    /// Until nobody gives anything any more, or nobody asks what became of it.
    fn run(&self, given: &Mutex<Receiver<Batch>>, done: &Sender<Done>) {
        loop {
            let batch = given.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = batch else { return };
            let outcome = self.batch(&batch);
            if done.send((batch, outcome)).is_err() {
                return;
            }
        }
    }

    fn batch(&self, batch: &Batch) -> Result<Vec<Found>, Error> {
        self.keep(batch)?;
        let mut found = Vec::with_capacity(batch.bytes.len() / PIECE);
        for (four, bytes) in batch.bytes.chunks(LANES * PIECE).enumerate() {
            let first = batch.first + (four * LANES) as u64;
            let pieces: Vec<_> = bytes.chunks_exact(PIECE).filter_map(<[u8]>::first_chunk).collect();
            let hashes = self.hasher.pieces(0, &pieces);
            for ((number, piece), hash) in (first..).zip(pieces).zip(hashes) {
                found.push((hash, self.marking.of(number, piece)?));
            }
        }
        Ok(found)
    }

    fn keep(&self, batch: &Batch) -> io::Result<()> {
        let at = batch.first * PIECE as u64;
        batch.keep.iter().try_for_each(|part| {
            self.kept
                .write_all_at(&batch.bytes[part.clone()], at + part.start as u64)
        })
    }

    /// A piece of the file system.
    pub fn piece(&self, number: u64, piece: &[u8]) -> Result<Found, Error> {
        let mark = self.marking.of(number, piece)?;
        Ok((self.hasher.piece(0, piece.first_chunk().ok_or(Error::Size)?), mark))
    }
}
