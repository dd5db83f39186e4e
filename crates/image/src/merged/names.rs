//! What one layer says of a name.

use casemate_erofs::{Entry, Inode, OPAQUE, ReadError, Reader, Source, kind};

/// What a layer has of a name.
pub enum Found {
    Nothing,
    /// It takes it away.
    Mark,
    Inode(Inode),
}

impl Found {
    pub fn of(reader: &Reader<impl Source>, directory: &Inode, name: &[u8]) -> Result<Self, ReadError> {
        let entry = match reader.lookup(directory, name) {
            Err(ReadError::NotFound) => return Ok(Self::Nothing),
            found => found?,
        };
        let inode = reader.inode(entry.number)?;
        if inode.mode & kind::MASK == kind::CHARACTER && inode.device == 0 {
            return Ok(Self::Mark);
        }
        Ok(Self::Inode(inode))
    }
}

/// Whether an entry takes its name away.
pub fn is_mark(reader: &Reader<impl Source>, entry: &Entry) -> Result<bool, ReadError> {
    if entry.kind != kind::CHARACTER {
        return Ok(false);
    }
    Ok(reader.inode(entry.number)?.device == 0)
}

pub fn is_opaque(reader: &Reader<impl Source>, directory: &Inode) -> Result<bool, ReadError> {
    Ok(reader.extended(directory)?.contains_key(OPAQUE))
}
