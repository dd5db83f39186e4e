//! Names and what they stand for: entries of a directory, extended attributes.
//!
//! All names with one hash are in one value, so that a collision is a longer list and nothing worse.

use super::bytes::{Put, Reader, check, short};
use super::{Malformed, NAME, XATTR};

/// Most bytes of one list: one name with the longest value fits, and many names with one 63-bit hash do not happen
/// without the key.
pub const LIST: usize = super::node::VALUE;

/// A name and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// The list that a value holds.
pub fn decode(bytes: &[u8]) -> Result<Vec<Named>, Malformed> {
    let mut reader = Reader(bytes);
    let mut list = Vec::new();
    while !reader.0.is_empty() {
        let (name, value) = (usize::from(reader.u8()?), usize::from(reader.u16()?));
        check(name > 0 && value <= XATTR, "a name or its value is out of bounds")?;
        list.push(Named {
            name: reader.bytes(name)?.to_vec(),
            value: reader.bytes(value)?.to_vec(),
        });
    }
    check(!list.is_empty(), "a list of names is empty")?;
    Ok(list)
}

/// The value that holds a list.
pub fn encode(list: &[Named]) -> Vec<u8> {
    let mut out = Vec::new();
    for named in list {
        debug_assert!(named.name.len() <= NAME, "the engine refuses longer names");
        out.put_u8(short(named.name.len())).put_u16(short(named.value.len()));
        out.put(&named.name).put(&named.value);
    }
    out
}

/// What a name in a directory stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub inode: u64,
    /// Type bits of its mode, so that a listing needs no second look-up.
    pub kind: u32,
}

impl Target {
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let target = Self {
            inode: reader.u64()?,
            kind: reader.u32()?,
        };
        reader.end()?;
        check(
            target.kind & !super::inode::mode::TYPE == 0,
            "an entry is of an unknown type",
        )?;
        check(
            super::inode::mode::is_known(target.kind),
            "an entry is of an unknown type",
        )?;
        Ok(target)
    }

    pub fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12);
        out.put_u64(self.inode).put_u32(self.kind);
        out
    }
}
