//! What an inode says beside its content.

use std::collections::BTreeMap;

use crate::Error;

/// A point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Below 1,000,000,000.
    pub nanoseconds: u32,
}

/// Attributes of an inode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permissions with set-id and sticky bits: 12 bits.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of the content.
    pub modified: Time,
    /// Extended attributes, by their whole names.
    pub extended: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Name spaces and their numbers (EROFS_XATTR_INDEX_*); lists of access rights have no rest of a name.
const SPACES: [(&[u8], u8); 5] = [
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"user.", 1),
    (b"trusted.", 4),
    (b"security.", 6),
];
/// Bytes before the first attribute (struct erofs_xattr_ibody_header).
const HEADER: usize = 12;
/// Bytes before an attribute's name (struct erofs_xattr_entry).
const ENTRY: usize = 4;
/// Attributes and what comes between them are multiples of this.
const ALIGNED: usize = 4;

/// Extended attributes as they follow an inode; empty if there are none.
pub fn encode(extended: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Vec<u8>, Error> {
    if extended.is_empty() {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; HEADER];
    for (name, value) in extended {
        let (space, rest) = split(name)?;
        bytes.push(u8::try_from(rest.len()).map_err(|_| Error::ExtendedAttribute)?);
        bytes.push(space);
        let length = u16::try_from(value.len()).map_err(|_| Error::ExtendedAttribute)?;
        bytes.extend(length.to_le_bytes());
        bytes.extend(rest);
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(ALIGNED), 0);
    }
    count(bytes.len())?;
    Ok(bytes)
}

/// What an inode says of the length of its extended attributes (i_xattr_icount).
pub fn count(length: usize) -> Result<u16, Error> {
    match length {
        0 => Ok(0),
        _ => u16::try_from((length - HEADER) / ENTRY + 1).map_err(|_| Error::ExtendedAttribute),
    }
}

fn split(name: &[u8]) -> Result<(u8, &[u8]), Error> {
    let found = SPACES
        .iter()
        .find_map(|(space, number)| Some((*number, name.strip_prefix(*space)?)));
    let (number, rest) = found.ok_or(Error::ExtendedAttribute)?;
    let is_list = matches!(number, 2 | 3);
    if is_list != rest.is_empty() {
        return Err(Error::ExtendedAttribute);
    }
    Ok((number, rest))
}
