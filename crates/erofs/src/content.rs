//! Content of files: written as it comes, zeros left out.

use std::io::{self, Read, Write};

use crate::out::Out;
use crate::{BLOCK, Error, INLINE};

/// Content that was given to the writer.
#[derive(Clone, Debug)]
pub struct Content {
    pub(crate) size: u64,
    pub(crate) place: Place,
    /// Of short content, where it waits.
    pub(crate) waits: u64,
}

/// Where content lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// There is none.
    Nowhere,
    /// Beside its inode.
    Inline,
    /// In blocks in a row.
    Row { first: u32 },
    /// In chunks of 2^`bits` bytes, each somewhere, or a hole.
    Chunks { bits: u8, map: Vec<u32> },
}

const ZEROS: [u8; BLOCK] = [0; BLOCK];
/// What the map says of a hole (EROFS_NULL_ADDR).
const HOLE: u32 = u32::MAX;
/// Chunks that a map has at most, unless they would be larger than EROFS takes: 4 MiB of map.
const CHUNKS: u64 = 1 << 20;

/// Bytes that are read at once, unless a chunk is larger; a multiple of smaller ones, both being powers of two.
const STEP: u64 = 64 << 10;

impl Content {
    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// Bytes of a chunk of a file of this size: as small as the map allows, so that holes are found.
fn chunk(size: u64) -> u64 {
    size.div_ceil(CHUNKS).next_power_of_two().max(BLOCK as u64)
}

/// A stream of blocks, and the number of the next.
pub struct Blocks<W> {
    pub out: W,
    pub next: u32,
}

impl<W: Write> Blocks<W> {
    /// Writes bytes, filled up with zeros to whole blocks.
    pub fn write(&mut self, bytes: &[u8]) -> Result<u32, Error> {
        let first = self.next;
        let blocks = u32::try_from(bytes.len().div_ceil(BLOCK)).map_err(|_| Error::TooLarge)?;
        self.next = first
            .checked_add(blocks)
            .filter(|next| *next < HOLE)
            .ok_or(Error::TooLarge)?;
        self.out.write_all(bytes)?;
        let short = bytes.len().next_multiple_of(BLOCK) - bytes.len();
        self.out.write_all(&ZEROS[..short])?;
        Ok(first)
    }
}

impl<W: Out> Blocks<W> {
    /// Writes content of more than [`INLINE`] bytes.
    pub fn content(&mut self, from: &mut impl Read, size: u64, lies: Option<u64>) -> Result<Place, Error> {
        let chunk = chunk(size);
        let mut map = Vec::new();
        let mut buffer = Vec::new();
        let mut left = size;
        while left > 0 {
            let length = left.min(chunk.max(STEP));
            buffer.clear();
            read(from, &mut buffer, length)?;
            for bytes in buffer.chunks(chunk as usize) {
                map.push(self.chunk(bytes, lies.map(|first| first + (size - left)))?);
                left -= bytes.len() as u64;
            }
        }
        Ok(place(map, chunk))
    }

    fn chunk(&mut self, bytes: &[u8], lies: Option<u64>) -> Result<u32, Error> {
        if bytes.chunks(BLOCK).all(|block| *block == ZEROS[..block.len()]) {
            return Ok(HOLE);
        }
        if let Some(at) = lies {
            self.out.also_lies(at, bytes.len());
        }
        self.write(bytes)
    }
}

fn place(map: Vec<u32>, chunk: u64) -> Place {
    match map.first() {
        Some(first) if !map.contains(&HOLE) => Place::Row { first: *first },
        _ => Place::Chunks {
            bits: chunk.ilog2() as u8,
            map,
        },
    }
}

fn read(from: &mut impl Read, buffer: &mut Vec<u8>, length: u64) -> Result<(), Error> {
    let count = from.take(length).read_to_end(buffer).map_err(Error::Content)?;
    if (count as u64) < length {
        return Err(Error::Content(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

/// Reads short content; `None` if it is none.
pub fn short(from: &mut impl Read, size: u64) -> Result<Option<Vec<u8>>, Error> {
    if size > INLINE as u64 {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    read(from, &mut bytes, size)?;
    Ok(Some(bytes))
}
