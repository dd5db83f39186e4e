//! One of two slots that say where everything is.

use super::bytes::{Put, Reader, check};
use super::pointer::Pointer;
use super::{BLOCK, Malformed, Roots};

/// First bytes of a slot.
pub const MAGIC: [u8; 8] = *b"CASEMATE";
/// Version of all that this module and its siblings describe.
pub const VERSION: u16 = 1;
/// AES-256-GCM.
pub const ALGORITHM: u16 = 1;
/// Feature flag: [`Roots::Hash`].
pub const HASH_ROOTS: u32 = 1;
/// Clear bytes that the seal covers; the tag follows.
pub const COVERED: usize = 88;
/// Clear bytes before the ciphertext.
pub const HEAD: usize = COVERED + 16;
/// Slots in the file.
pub const SLOTS: u64 = 2;

/// Why a slot's clear start cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// A version, algorithm or feature that this program does not know.
    Unknown(&'static str, u32),
    /// Not a slot.
    Malformed(Malformed),
}

impl From<Malformed> for Unusable {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// The clear start of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub roots: Roots,
    pub volume: [u8; 16],
    pub generation: u64,
    pub fence: u64,
    pub counter: u64,
    pub salt: [u8; 32],
}

impl Head {
    pub fn decode(bytes: &[u8]) -> Result<Self, Unusable> {
        let mut reader = Reader(bytes);
        check(reader.array()? == MAGIC, "it is no superblock")?;
        known("format version", reader.u16()?.into(), VERSION.into())?;
        known("algorithm", reader.u16()?.into(), ALGORITHM.into())?;
        let flags = reader.u32()?;
        known("feature flags", flags & !HASH_ROOTS, 0)?;
        let roots = if flags == HASH_ROOTS { Roots::Hash } else { Roots::Tag };
        let volume = reader.array()?;
        let (generation, fence, counter) = (reader.u64()?, reader.u64()?, reader.u64()?);
        Ok(Self {
            roots,
            volume,
            generation,
            fence,
            counter,
            salt: reader.array()?,
        })
    }

    pub fn encode(&self) -> [u8; COVERED] {
        let flags = if self.roots == Roots::Hash { HASH_ROOTS } else { 0 };
        let mut out = Vec::with_capacity(COVERED);
        out.put(&MAGIC)
            .put_u16(VERSION)
            .put_u16(ALGORITHM)
            .put_u32(flags)
            .put(&self.volume);
        out.put_u64(self.generation)
            .put_u64(self.fence)
            .put_u64(self.counter)
            .put(&self.salt);
        let mut bytes = [0; COVERED];
        bytes.copy_from_slice(&out);
        bytes
    }
}

fn known(what: &'static str, got: u32, expected: u32) -> Result<(), Unusable> {
    if got == expected {
        Ok(())
    } else {
        Err(Unusable::Unknown(what, got))
    }
}

/// A position in the log: of the next group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Blocks written since the volume was made; modulo the ring, where the group starts.
    pub position: u64,
    pub sequence: u64,
    /// Binds all groups before.
    pub link: [u8; 32],
}

/// The sealed part of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    pub level: u8,
    pub root: Pointer,
    pub epochs: Pointer,
    pub epoch_blocks: u32,
    pub log_blocks: u32,
    pub log: LogHead,
    pub capacity: u64,
    pub used: u64,
    pub next_inode: u64,
}

impl Body {
    pub fn decode(bytes: &[u8], roots: Roots) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let level = reader.u8()?;
        check(reader.array::<7>()? == [0; 7], "a reserved byte is set")?;
        check(level < super::node::LEVELS, "the tree is too deep")?;
        let (root, epochs) = (
            Pointer::decode(&mut reader, roots)?,
            Pointer::decode(&mut reader, roots)?,
        );
        let (epoch_blocks, log_blocks) = (reader.u32()?, reader.u32()?);
        let log = LogHead {
            position: reader.u64()?,
            sequence: reader.u64()?,
            link: reader.array()?,
        };
        let (capacity, used, next_inode) = (reader.u64()?, reader.u64()?, reader.u64()?);
        reader.zeros()?;
        let body = Self {
            level,
            root,
            epochs,
            epoch_blocks,
            log_blocks,
            log,
            capacity,
            used,
            next_inode,
        };
        body.check()?;
        Ok(body)
    }

    fn check(&self) -> Result<(), Malformed> {
        let table = self.epoch_blocks as usize * BLOCK;
        check(
            (1..=260).contains(&self.epoch_blocks) && table > 0,
            "the table of epochs is out of bounds",
        )?;
        check((8..=1 << 24).contains(&self.log_blocks), "the log is out of bounds")?;
        check(
            (64..=1 << 34).contains(&self.capacity) && self.used <= self.capacity,
            "the capacity is out of bounds",
        )?;
        check(
            self.log.position <= 1 << 60 && self.log.sequence <= 1 << 60,
            "the log's head is out of bounds",
        )?;
        check(
            (2..=super::key::INODES).contains(&self.next_inode),
            "the next inode is out of bounds",
        )
    }

    /// The bytes that fill a slot behind its head.
    pub fn encode(&self, roots: Roots) -> Vec<u8> {
        let mut out = Vec::with_capacity(BLOCK - HEAD);
        out.put_u8(self.level).put(&[0; 7]);
        self.root.encode(&mut out, roots);
        self.epochs.encode(&mut out, roots);
        out.put_u32(self.epoch_blocks).put_u32(self.log_blocks);
        out.put_u64(self.log.position)
            .put_u64(self.log.sequence)
            .put(&self.log.link);
        out.put_u64(self.capacity).put_u64(self.used).put_u64(self.next_inode);
        out.resize(BLOCK - HEAD, 0);
        out
    }
}
