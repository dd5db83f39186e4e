//! Where the file system of a layer lies, in the clear, from the time it is hashed until it is sealed.
//!
//! Others may change both files meanwhile. Whatever is read here counts only after it was recognised.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::format::PIECE;

/// Parts that are known to lie in the archive, at most: 24 MiB.
const MOST: usize = 1 << 20;

/// A file system in two files.
pub struct Plain {
    /// What lies nowhere else, each byte in its place; between, holes.
    pub kept: Arc<File>,
    /// What it was made from, as it was read: not compressed.
    pub archive: Option<File>,
    /// What of it lies in the archive, in order.
    pub lent: Vec<Lent>,
    /// All bytes.
    pub size: u64,
}

/// A part of the file system that lies in the archive.
#[derive(Clone, Copy)]
pub struct Lent {
    at: u64,
    length: u64,
    from: u64,
}

/// A part of what is read or written, and where in the archive it lies, if it does.
pub struct Part {
    pub bytes: Range<usize>,
    pub from: Option<u64>,
}

impl Plain {
    /// Reads pieces; behind the end, zeros.
    pub fn read(&self, first: u64, pieces: &mut [u8]) -> io::Result<()> {
        let at = first * PIECE as u64;
        let there = usize::try_from(self.size - at).map_or(pieces.len(), |there| there.min(pieces.len()));
        let (bytes, behind) = pieces.split_at_mut(there);
        behind.fill(0);
        for part in parts(&self.lent, at, there) {
            let start = part.bytes.start as u64;
            let room = &mut bytes[part.bytes];
            match (part.from, &self.archive) {
                (Some(from), Some(archive)) => archive.read_exact_at(room, from)?,
                _ => self.kept.read_exact_at(room, at + start)?,
            }
        }
        Ok(())
    }
}

/// Adds a part, behind the others. What is not added must be kept.
pub fn lend(lent: &mut Vec<Lent>, at: u64, from: u64, length: u64) {
    match lent.last_mut() {
        Some(last) if last.at + last.length == at && last.from + last.length == from => last.length += length,
        _ => {
            if lent.len() < MOST {
                lent.push(Lent { at, length, from });
            }
        }
    }
}

/// The parts of so many bytes from one on.
pub fn parts(lent: &[Lent], at: u64, length: usize) -> impl Iterator<Item = Part> {
    let mut rest = &lent[lent.partition_point(|lent| lent.at + lent.length <= at)..];
    let mut done = 0;
    std::iter::from_fn(move || {
        let here = at + done as u64;
        let (until, from) = match rest.first() {
            Some(lent) if lent.at <= here => (lent.at + lent.length, Some(lent.from + (here - lent.at))),
            Some(lent) => (lent.at, None),
            None => (u64::MAX, None),
        };
        if from.is_some() {
            rest = &rest[1..];
        }
        let start = done;
        done += usize::try_from(until - here).map_or(length - done, |there| there.min(length - done));
        (done > start).then_some(Part {
            bytes: start..done,
            from,
        })
    })
}
