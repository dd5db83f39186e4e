//! A node of the tree: 16 KiB of sorted entries.

use super::bytes::{Put, Reader, check, short};
use super::key::{KEY, Key};
use super::pointer::Pointer;
use super::{Malformed, NODE, Roots};

/// Bytes before the entries.
pub const HEAD: usize = 8;
/// Room for entries.
pub const ROOM: usize = NODE - HEAD;
/// Longest value: a leaf that overflows can always be cut into two that do not.
pub const VALUE: usize = 4608;
/// Deepest tree: 2^64 bytes of data need eleven levels.
pub const LEVELS: u8 = 16;

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Keys and their values.
    Leaf(Vec<(Key, Vec<u8>)>),
    /// The first key of each child, and where it is. Level 1 is above the leaves.
    Inner(u8, Vec<(Key, Pointer)>),
}

/// Stored bytes of a leaf's entry.
pub fn leaf_entry(value: &[u8]) -> usize {
    KEY + 2 + value.len()
}

/// Stored bytes of an inner node's entry.
pub fn inner_entry(roots: Roots) -> usize {
    KEY + Pointer::size(roots)
}

/// The node that must be of this level.
pub fn decode(bytes: &[u8], level: u8, roots: Roots) -> Result<Stored, Malformed> {
    check(bytes.len() == NODE, "a node has not its size")?;
    let mut reader = Reader(bytes);
    check(reader.u8()? == level && reader.u8()? == 0, "a node is not of its level")?;
    let count = usize::from(reader.u16()?);
    check(reader.u32()? == 0, "a reserved byte is set")?;
    let stored = if level == 0 {
        Stored::Leaf(leaf_entries(&mut reader, count)?)
    } else {
        check(count > 0, "an inner node is empty")?;
        Stored::Inner(level, inner_entries(&mut reader, count, roots)?)
    };
    reader.zeros()?;
    Ok(stored)
}

fn leaf_entries(reader: &mut Reader<'_>, count: usize) -> Result<Vec<(Key, Vec<u8>)>, Malformed> {
    let mut entries: Vec<(Key, Vec<u8>)> = Vec::with_capacity(count.min(ROOM / (KEY + 2)));
    for _ in 0..count {
        let key = Key::decode(reader)?;
        check(
            entries.last().is_none_or(|(last, _)| *last < key),
            "keys are not in order",
        )?;
        let length = usize::from(reader.u16()?);
        check(length <= VALUE, "a value is too long")?;
        entries.push((key, reader.bytes(length)?.to_vec()));
    }
    Ok(entries)
}

fn inner_entries(reader: &mut Reader<'_>, count: usize, roots: Roots) -> Result<Vec<(Key, Pointer)>, Malformed> {
    let mut entries: Vec<(Key, Pointer)> = Vec::with_capacity(count.min(ROOM / inner_entry(roots)));
    for _ in 0..count {
        let key = Key::decode(reader)?;
        check(
            entries.last().is_none_or(|(last, _)| *last < key),
            "keys are not in order",
        )?;
        entries.push((key, Pointer::decode(reader, roots)?));
    }
    Ok(entries)
}

/// The bytes of a node that fits, always [`NODE`] of them.
pub fn encode(stored: &Stored, roots: Roots) -> Vec<u8> {
    let mut out = Vec::with_capacity(NODE);
    match stored {
        Stored::Leaf(entries) => {
            out.put_u8(0).put_u8(0).put_u16(short(entries.len())).put_u32(0);
            for (key, value) in entries {
                key.encode(&mut out);
                out.put_u16(short(value.len())).put(value);
            }
        }
        Stored::Inner(level, entries) => {
            out.put_u8(*level).put_u8(0).put_u16(short(entries.len())).put_u32(0);
            for (key, pointer) in entries {
                key.encode(&mut out);
                pointer.encode(&mut out, roots);
            }
        }
    }
    debug_assert!(out.len() <= NODE, "the tree splits what does not fit");
    out.resize(NODE, 0);
    out
}
