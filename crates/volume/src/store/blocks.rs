//! Sealing and opening blocks of the host: all that this takes, apart from the rest of a store, for those without its
//! lock.

use std::sync::Arc;

use super::{Sealed, named, place};
use crate::Error;
use crate::format::pointer::Check;
use crate::format::{BLOCK, Roots, SEGMENT_BLOCKS};
use crate::host::{File, Host};
use crate::seal::{self, EpochKey, Purpose, sha256};

/// The host and what its blocks are bound to.
#[derive(Clone)]
pub struct Blocks {
    pub host: Arc<dyn Host>,
    pub volume: [u8; 16],
    pub roots: Roots,
    /// In blocks.
    pub capacity: u64,
}

impl Blocks {
    /// Opens what was read: verified bytes in `plaintext`, or an error.
    pub fn open(
        &self,
        (key, purpose): (&EpochKey, Purpose),
        address: u64,
        sealed: &Sealed,
        bytes: &[u8],
        plaintext: &mut [u8],
    ) -> Result<(), Error> {
        let associated = seal::associated(purpose, &self.volume, bytes.len());
        let tag = &sealed.check.tag;
        let opened = key.open(purpose, sealed.counter, &associated, bytes, tag, plaintext);
        let tampered = || Error::tampered(named(purpose), place(address));
        opened.map_err(|_| tampered())?;
        if self.roots == Roots::Hash && sha256(&[plaintext]) != sealed.check.hash {
            return Err(tampered());
        }
        Ok(())
    }

    /// Encrypts in place; what a parent keeps of it.
    pub fn seal(&self, key: &EpochKey, purpose: Purpose, counter: u64, bytes: &mut [u8]) -> Result<Check, Error> {
        let hash = (self.roots == Roots::Hash).then(|| sha256(&[bytes]));
        let associated = seal::associated(purpose, &self.volume, bytes.len());
        let tag = key.seal(purpose, counter, &associated, bytes)?;
        Ok(seal::check(self.roots, tag, hash))
    }

    /// Writes sealed blocks into a segment that reaches that far ([`super::Store::reach`]).
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        let (segment, offset) = self.locate(address, bytes.len())?;
        let written = self.host.write(File::Segment(segment), offset, bytes);
        written.map_err(|error| Error::host("write a segment", &error))
    }

    /// Gives blocks back to the host.
    pub fn discard(&self, address: u64, length: usize) -> Result<(), Error> {
        let (segment, offset) = self.locate(address, length)?;
        let discarded = self.host.discard(File::Segment(segment), offset, length as u64);
        discarded.map_err(|error| Error::host("give space back", &error))
    }

    /// Reads sealed blocks.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> Result<(), Error> {
        let (segment, offset) = self.locate(address, bytes.len())?;
        let read = self.host.read(File::Segment(segment), offset, bytes);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotFound => {
                Error::tampered("a segment that is missing or cut short", place(address))
            }
            _ => Error::host("read a segment", &error),
        })
    }

    /// Segment and byte offset of blocks, which never cross a segment's end.
    pub fn locate(&self, address: u64, length: usize) -> Result<(u32, u64), Error> {
        let blocks = length.div_ceil(BLOCK) as u64;
        let inside = address % SEGMENT_BLOCKS + blocks <= SEGMENT_BLOCKS;
        let end = address
            .checked_add(blocks)
            .filter(|end| *end <= self.capacity && inside);
        let segment = u32::try_from(address / SEGMENT_BLOCKS).ok().filter(|_| end.is_some());
        let segment = segment.ok_or_else(|| Error::tampered("an address out of range", place(address)))?;
        Ok((segment, address % SEGMENT_BLOCKS * BLOCK as u64))
    }
}

/// Whether a block is the first of a segment: nothing that was written at once goes on there.
pub fn starts_segment(address: u64) -> bool {
    address % SEGMENT_BLOCKS == 0
}
