//! Where the file system of a layer lies, in the clear, from the time it is hashed until it is sealed.
//!
//! Others may change both files meanwhile. Whatever is read here counts only after it was recognised.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::format::{BLOCK, PIECE};

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

/// A part of the file system that lies in the archive, and what fills up its last block.
#[derive(Clone, Copy)]
pub struct Lent {
    at: u64,
    length: u64,
    from: u64,
}

/// A part of what is read or written.
pub struct Part {
    pub bytes: Range<usize>,
    pub lies: Lies,
}

/// Where a part lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    /// In its place.
    Kept,
    /// In the archive, from there on.
    Archive(u64),
    /// It is zeros.
    Nowhere,
}

impl Lent {
    fn end(&self) -> u64 {
        self.at + self.length
    }

    /// With what fills up its last block.
    fn behind(&self) -> u64 {
        self.end().next_multiple_of(BLOCK)
    }
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
            match (part.lies, &self.archive) {
                (Lies::Nowhere, _) => room.fill(0),
                (Lies::Archive(from), Some(archive)) => archive.read_exact_at(room, from)?,
                _ => self.kept.read_exact_at(room, at + start)?,
            }
        }
        Ok(())
    }
}

/// Adds a part, behind the others. What is not added must be kept.
pub fn lend(lent: &mut Vec<Lent>, at: u64, from: u64, length: u64) {
    match lent.last_mut() {
        Some(last) if last.end() == at && last.from + last.length == from => last.length += length,
        _ => {
            if lent.len() < MOST {
                lent.push(Lent { at, length, from });
            }
        }
    }
}

/// The parts of so many bytes from one on.
pub fn parts(lent: &[Lent], at: u64, length: usize) -> impl Iterator<Item = Part> {
    let mut rest = &lent[lent.partition_point(|lent| lent.behind() <= at)..];
    let mut done = 0;
    std::iter::from_fn(move || {
        let here = at + done as u64;
        if rest.first().is_some_and(|lent| lent.behind() <= here) {
            rest = &rest[1..];
        }
        let (until, lies) = match rest.first() {
            None => (u64::MAX, Lies::Kept),
            Some(lent) if here < lent.at => (lent.at, Lies::Kept),
            Some(lent) if here < lent.end() => (lent.end(), Lies::Archive(lent.from + (here - lent.at))),
            Some(lent) => (lent.behind(), Lies::Nowhere),
        };
        let start = done;
        done += usize::try_from(until - here).map_or(length - done, |there| there.min(length - done));
        (done > start).then_some(Part {
            bytes: start..done,
            lies,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_say_of_each_byte_where_it_lies() {
        let mut lent = Vec::new();
        // Two in a row that are one, one with a block that is filled up, and one right behind that.
        for (at, from, length) in [
            (4096, 512, 8192),
            (12_288, 8704, 4096),
            (40_960, 30_000, 5000),
            (49_152, 7, 4096),
        ] {
            lend(&mut lent, at, from, length);
        }
        assert_eq!(lent.len(), 3);
        let expected = |at: u64| match at {
            4096..16_384 => Lies::Archive(at - 4096 + 512),
            40_960..45_960 => Lies::Archive(at - 40_960 + 30_000),
            45_960..49_152 => Lies::Nowhere,
            49_152..53_248 => Lies::Archive(at - 49_152 + 7),
            _ => Lies::Kept,
        };
        for (at, length) in [
            (0, 60_000),
            (0, 1),
            (4096, 4096),
            (5000, 40_000),
            (45_959, 2),
            (46_000, 3200),
            (53_248, 9),
        ] {
            let mut done = 0;
            for part in parts(&lent, at, length) {
                assert_eq!(part.bytes.start, done);
                for byte in part.bytes.clone() {
                    let lies = match part.lies {
                        Lies::Archive(from) => Lies::Archive(from + (byte - done) as u64),
                        other => other,
                    };
                    assert_eq!(lies, expected(at + byte as u64), "{at} {length} {byte}");
                }
                done = part.bytes.end;
            }
            assert_eq!(done, length);
        }
    }

    #[test]
    fn what_is_too_much_to_remember_is_kept() {
        let mut lent = Vec::new();
        let at = |index: usize| index as u64 * 3 * BLOCK;
        (0..=MOST).for_each(|index| lend(&mut lent, at(index), 0, BLOCK));
        assert_eq!(lent.len(), MOST);
        let lies = |index| parts(&lent, at(index), 1).next().map(|part| part.lies);
        assert_eq!((lies(MOST - 1), lies(MOST)), (Some(Lies::Archive(0)), Some(Lies::Kept)));
    }
}
