//! Sparse files: a map says where data is; all else is zeros.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::archive::malformed;
use super::pax;

const BLOCK: u64 = 512;
/// Digits of the largest number.
const DIGITS: usize = 20;
/// Most parts of data.
const MOST: usize = 1 << 20;

/// Where data begins and ends, in order.
pub struct Parts {
    size: u64,
    parts: VecDeque<(u64, u64)>,
}

impl Parts {
    /// None yet, of a file of this size.
    pub fn new(size: u64) -> Self {
        Self {
            size,
            parts: VecDeque::new(),
        }
    }

    /// One more, behind the others.
    pub fn add(&mut self, start: u64, length: u64) -> io::Result<()> {
        let behind = self.parts.back().map_or(0, |(_, end)| *end);
        let end = start.checked_add(length).filter(|end| *end <= self.size);
        let end = end.filter(|_| start >= behind && self.parts.len() < MOST);
        self.parts
            .push_back((start, end.ok_or_else(|| malformed("the map of a sparse file is none"))?));
        Ok(())
    }

    /// The map that comes before the data, in decimal lines filled up to 512 bytes (GNU tar manual, "Storing Sparse
    /// Files", version 1.0).
    pub fn read(from: &mut impl Read, size: u64) -> io::Result<Self> {
        let mut parts = Self::new(size);
        let mut lines = Lines { from, count: 0 };
        for _ in 0..lines.number()? {
            let (start, length) = (lines.number()?, lines.number()?);
            parts.add(start, length)?;
        }
        let short = lines.count.next_multiple_of(BLOCK) - lines.count;
        io::copy(&mut from.take(short), &mut io::sink())?;
        Ok(parts)
    }
}

/// The file as it was.
pub struct Sparse<R> {
    from: R,
    parts: Parts,
    at: u64,
}

impl<R: Read> Sparse<R> {
    pub fn new(from: R, parts: Parts) -> Self {
        Self { from, parts, at: 0 }
    }
}

impl<R: Read> Read for Sparse<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let parts = &mut self.parts.parts;
        while parts.front().is_some_and(|(_, end)| *end <= self.at) {
            parts.pop_front();
        }
        let (is_data, until) = match parts.front() {
            Some((start, end)) if *start <= self.at => (true, *end),
            Some((start, _)) => (false, *start),
            None => (false, self.parts.size),
        };
        let length = usize::try_from(until - self.at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = if is_data {
            self.from.read(&mut buffer[..length])?
        } else {
            buffer[..length].fill(0);
            length
        };
        self.at += count as u64;
        Ok(count)
    }
}

struct Lines<'f, R> {
    from: &'f mut R,
    count: u64,
}

impl<R: Read> Lines<'_, R> {
    /// A line with a number. Byte by byte: what follows the map is data.
    fn number(&mut self) -> io::Result<u64> {
        let mut digits = Vec::new();
        while digits.len() <= DIGITS {
            let mut byte = [0];
            self.from.read_exact(&mut byte)?;
            self.count += 1;
            if byte[0] == b'\n' {
                break;
            }
            digits.push(byte[0]);
        }
        pax::number(&digits).ok_or_else(|| malformed("the map of a sparse file is none"))
    }
}
