//! Extended attributes, as they follow an inode.

use std::collections::BTreeMap;

use crate::Error;

/// Extended attributes, by their whole names.
pub type Extended = BTreeMap<Vec<u8>, Vec<u8>>;

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
pub fn encode(extended: &Extended) -> Result<Vec<u8>, Error> {
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

/// Bytes of extended attributes, from what an inode says of them.
pub fn length(count: u16) -> usize {
    match usize::from(count) {
        0 => 0,
        count => HEADER + (count - 1) * ENTRY,
    }
}

/// All attributes in such bytes; `None` if they are not whole.
pub fn decode(bytes: &[u8]) -> Option<Extended> {
    let mut extended = Extended::new();
    let mut rest = bytes.get(HEADER.min(bytes.len())..)?;
    while !rest.is_empty() {
        let (head, behind) = rest.split_at_checked(ENTRY)?;
        let space = SPACES.iter().find(|(_, number)| *number == head[1])?.0;
        let (name, behind) = behind.split_at_checked(head[0].into())?;
        let (value, _) = behind.split_at_checked(u16::from_le_bytes([head[2], head[3]]).into())?;
        extended.insert([space, name].concat(), value.to_vec());
        rest = rest.get((ENTRY + name.len() + value.len()).next_multiple_of(ALIGNED)..)?;
    }
    Some(extended)
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
