//! What one layer says of a name.

use casemate_erofs::{Entry, IMPLIED, Inode, OPAQUE, ReadError, Reader, Source, kind};

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

/// What a layer says of a directory beside its names.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// All that the layers below have in it is taken away.
    pub opaque: bool,
    /// The layer does not say what its attributes are.
    pub implied: bool,
}

impl Marks {
    pub fn of(reader: &Reader<impl Source>, directory: &Inode) -> Result<Self, ReadError> {
        let extended = reader.extended(directory)?;
        Ok(Self {
            opaque: extended.contains_key(OPAQUE),
            implied: extended.contains_key(IMPLIED),
        })
    }
}
