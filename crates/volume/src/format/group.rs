//! A group of the intent log: changes that happen together or not at all.

use super::bytes::{Put, Reader, check, short};
use super::extent::Extent;
use super::key::{Key, Kind};
use super::node::VALUE;
use super::{BLOCK, FILE, GROUP_BLOCKS, Malformed, Roots};

/// Clear bytes before the ciphertext.
pub const HEAD: usize = 80;
/// Of these, the ones that the seal covers; the tag follows.
pub const COVERED: usize = 64;

/// The clear start of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub sequence: u64,
    pub fence: u64,
    pub counter: u64,
    pub blocks: u32,
    pub salt: [u8; 32],
}

impl Head {
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let (sequence, fence, counter, blocks) = (reader.u64()?, reader.u64()?, reader.u64()?, reader.u32()?);
        check(reader.u32()? == 0, "a reserved byte is set")?;
        check((1..=GROUP_BLOCKS).contains(&blocks), "a group has 1 to 1,024 blocks")?;
        Ok(Self {
            sequence,
            fence,
            counter,
            blocks,
            salt: reader.array()?,
        })
    }

    pub fn encode(&self) -> [u8; COVERED] {
        let mut out = Vec::with_capacity(COVERED);
        out.put_u64(self.sequence).put_u64(self.fence).put_u64(self.counter);
        out.put_u32(self.blocks).put_u32(0).put(&self.salt);
        let mut bytes = [0; COVERED];
        bytes.copy_from_slice(&out);
        bytes
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Sets an entry of the tree, other than extents and the space map.
    Put(Key, Vec<u8>),
    /// Removes such an entry.
    Remove(Key),
    /// Shows sealed blocks at an offset of a file; what was there is gone. Offset in blocks.
    Extent(u64, u64, Extent),
    /// Removes all data of a file from one block up to another.
    Punch(u64, u64, u64),
    /// Bytes of a file, at a byte offset.
    Write(u64, u64, Vec<u8>),
}

/// Most bytes of one [`Change::Write`].
pub const WRITE: usize = 64 * 1024;

impl Change {
    fn decode(reader: &mut Reader<'_>, roots: Roots) -> Result<Self, Malformed> {
        match reader.u8()? {
            1 => {
                let key = plain_key(reader)?;
                let length = usize::from(reader.u16()?);
                check(length <= VALUE, "a value is too long")?;
                Ok(Self::Put(key, reader.bytes(length)?.to_vec()))
            }
            2 => plain_key(reader).map(Self::Remove),
            3 => {
                let (inode, at) = (reader.u64()?, file_block(reader)?);
                let length = usize::from(reader.u16()?);
                let extent = Extent::decode(reader.bytes(length)?, roots)?;
                Ok(Self::Extent(inode, at, extent))
            }
            4 => {
                let (inode, from, to) = (reader.u64()?, file_block(reader)?, file_block(reader)?);
                check(from < to, "a range is empty")?;
                Ok(Self::Punch(inode, from, to))
            }
            5 => Self::decode_write(reader),
            _ => Err(Malformed("a change is of an unknown kind")),
        }
    }

    fn decode_write(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (inode, at, length) = (reader.u64()?, reader.u64()?, reader.u32()? as usize);
        check((1..=WRITE).contains(&length), "a write is out of bounds")?;
        check(at <= FILE - length as u64, "a write is behind the largest file")?;
        Ok(Self::Write(inode, at, reader.bytes(length)?.to_vec()))
    }

    pub fn encode(&self, out: &mut Vec<u8>, roots: Roots) {
        match self {
            Self::Put(key, value) => {
                key.encode(out.put_u8(1));
                out.put_u16(short(value.len())).put(value);
            }
            Self::Remove(key) => key.encode(out.put_u8(2)),
            Self::Extent(inode, at, extent) => {
                let extent = extent.encode(roots);
                out.put_u8(3).put_u64(*inode).put_u64(*at);
                out.put_u16(short(extent.len())).put(&extent);
            }
            Self::Punch(inode, from, to) => {
                out.put_u8(4).put_u64(*inode).put_u64(*from).put_u64(*to);
            }
            Self::Write(inode, at, bytes) => {
                out.put_u8(5)
                    .put_u64(*inode)
                    .put_u64(*at)
                    .put_u32(short(bytes.len()))
                    .put(bytes);
            }
        }
    }
}

fn plain_key(reader: &mut Reader<'_>) -> Result<Key, Malformed> {
    let key = Key::decode(reader)?;
    check(
        key.kind < Kind::Snapshot && key.kind != Kind::Extent,
        "a change of a key that has its own",
    )?;
    Ok(key)
}

fn file_block(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let block = reader.u64()?;
    check(block <= FILE / BLOCK as u64 + 1, "a block is behind the largest file")?;
    Ok(block)
}

/// The changes in a group's plaintext: their length, they, zeros.
pub fn decode(plaintext: &[u8], roots: Roots) -> Result<Vec<Change>, Malformed> {
    let mut reader = Reader(plaintext);
    let length = reader.u32()? as usize;
    let mut body = Reader(reader.bytes(length)?);
    reader.zeros()?;
    let mut changes = Vec::new();
    while !body.0.is_empty() {
        changes.push(Change::decode(&mut body, roots)?);
    }
    Ok(changes)
}

/// Blocks of a group whose encoded changes have this length.
pub fn blocks(length: usize) -> u32 {
    short((HEAD + 4 + length).div_ceil(BLOCK))
}

/// A group's plaintext around encoded changes, in the room that the head leaves of its blocks.
pub fn plaintext(changes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(blocks(changes.len()) as usize * BLOCK - HEAD);
    out.put_u32(short(changes.len())).put(changes);
    out.resize(blocks(changes.len()) as usize * BLOCK - HEAD, 0);
    out
}
