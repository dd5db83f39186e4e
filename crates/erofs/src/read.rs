//! Reading: what the writer writes, and nothing else of what EROFS can be.
//!
//! Every number that is read is held against where it must lie: a file system that lies about itself gives
//! [`ReadError::Malformed`], whatever it says.

use std::io;

use crate::inode::{EXTENDED, INODE, LAYOUT_CHUNKS, LAYOUT_INLINE, LAYOUT_PLAIN, SLOT};
use crate::superblock::Superblock;
use crate::xattr;
use crate::{BLOCK, NAME, Time};

/// Where a file system lies.
pub trait Source {
    /// Fills `out` from an offset on.
    ///
    /// # Errors
    /// Those of the source; the end of it is one.
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
}

/// Why something is not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source.
    #[error(transparent)]
    Source(#[from] io::Error),
    /// It contradicts itself, or is of a kind that is not read here.
    #[error("this is no EROFS file system of the kind that is written here: {0}")]
    Malformed(&'static str),
    /// No such name.
    #[error("there is nothing of this name")]
    NotFound,
}

/// Kind of an inode, as in st_mode's upper bits.
pub mod kind {
    /// Type bits.
    pub const MASK: u16 = 0o170_000;
    /// Directory.
    pub const DIRECTORY: u16 = 0o040_000;
    /// Regular file.
    pub const FILE: u16 = 0o100_000;
    /// Symbolic link.
    pub const LINK: u16 = 0o120_000;
    /// Character device.
    pub const CHARACTER: u16 = 0o020_000;
    /// Block device.
    pub const BLOCK: u16 = 0o060_000;
    /// Named pipe.
    pub const FIFO: u16 = 0o010_000;
    /// Socket.
    pub const SOCKET: u16 = 0o140_000;
}

/// Longest target of a link, and longest directory in bytes: what needs memory has a limit.
const TARGET: u64 = 4096;
const DIRECTORY: u64 = 1 << 30;
/// Bytes of a directory's entry without its name.
const ENTRY: usize = 12;

/// An inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inode {
    /// Its number.
    pub number: u64,
    /// st_mode.
    pub mode: u16,
    /// Names.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub modified: Time,
    /// Of a device: its number as Linux writes it into 32 bits.
    pub device: u32,
    layout: u16,
    word: u32,
    /// Where what follows the inode's own bytes begins.
    follows: u64,
    extended: usize,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// Number of its inode.
    pub number: u64,
    /// Kind, as in [`kind`].
    pub kind: u16,
}

/// An open file system.
#[derive(Debug)]
pub struct Reader<S> {
    source: S,
    superblock: Superblock,
}

impl<S: Source> Reader<S> {
    /// Reads the first block.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(source: S) -> Result<Self, ReadError> {
        let mut block = [0; BLOCK];
        source.read_exact_at(0, &mut block)?;
        let superblock = Superblock::decode(&block).ok_or(ReadError::Malformed("its first block"))?;
        Ok(Self { source, superblock })
    }

    /// Number of the root directory.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.superblock.root.into()
    }

    /// Blocks that there are.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.superblock.blocks.into()
    }

    /// Inodes that there are.
    #[must_use]
    pub fn inodes(&self) -> u64 {
        self.superblock.inodes
    }

    /// Whether it says that no inode has extended attributes, but for [`crate::OPAQUE`] and
    /// [`crate::IMPLIED`].
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.superblock.plain
    }

    /// An inode.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn inode(&self, number: u64) -> Result<Inode, ReadError> {
        let start = u64::from(self.superblock.inodes_at) * BLOCK as u64;
        let at = number.checked_mul(SLOT as u64).and_then(|at| at.checked_add(start));
        let at = at.ok_or(ReadError::Malformed("an inode's number"))?;
        let mut bytes = [0; INODE];
        self.read(at, &mut bytes)?;
        decode(number, at, &bytes).ok_or(ReadError::Malformed("an inode"))
    }

    /// Looks a name up.
    ///
    /// # Errors
    /// [`ReadError::NotFound`], and others of [`ReadError`].
    pub fn lookup(&self, directory: &Inode, name: &[u8]) -> Result<Entry, ReadError> {
        let (mut from, mut to) = (0, directory.size.div_ceil(BLOCK as u64));
        while from < to {
            let middle = from + (to - from) / 2;
            let entries = self.block(directory, middle)?;
            let first = entries.first().ok_or(ReadError::Malformed("an empty directory"))?;
            let last = entries.last().ok_or(ReadError::Malformed("an empty directory"))?;
            if name < &first.name[..] {
                to = middle;
            } else if name > &last.name[..] {
                from = middle + 1;
            } else {
                let found = entries.binary_search_by(|entry| entry.name[..].cmp(name));
                return found.map(|at| entries[at].clone()).map_err(|_| ReadError::NotFound);
            }
        }
        Err(ReadError::NotFound)
    }

    /// All entries of a directory, "." and ".." among them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entries(&self, directory: &Inode) -> Result<Vec<Entry>, ReadError> {
        let mut entries = Vec::new();
        for block in 0..directory.size.div_ceil(BLOCK as u64) {
            entries.extend(self.block(directory, block)?);
        }
        Ok(entries)
    }

    fn block(&self, directory: &Inode, block: u64) -> Result<Vec<Entry>, ReadError> {
        if directory.mode & kind::MASK != kind::DIRECTORY || directory.size > DIRECTORY {
            return Err(ReadError::Malformed("a directory"));
        }
        let mut bytes = [0; BLOCK];
        let count = self.content(directory, block * BLOCK as u64, &mut bytes)?;
        entries(&bytes[..count]).ok_or(ReadError::Malformed("a directory's block"))
    }

    /// Reads content from an offset on; how many bytes there were.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn content(&self, inode: &Inode, offset: u64, out: &mut [u8]) -> Result<usize, ReadError> {
        let left = inode.size.saturating_sub(offset);
        let count = usize::try_from(left).map_or(out.len(), |left| left.min(out.len()));
        let out = &mut out[..count];
        let first = match inode.layout {
            LAYOUT_PLAIN => u64::from(inode.word) * BLOCK as u64,
            _ => inode.follows + inode.extended as u64,
        };
        match inode.layout {
            LAYOUT_INLINE | LAYOUT_PLAIN => self.read(first.saturating_add(offset), out)?,
            _ => self.chunks(inode, first, offset, out)?,
        }
        Ok(count)
    }

    fn chunks(&self, inode: &Inode, map: u64, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let chunk = (BLOCK as u64) << (inode.word & CHUNK_BITS);
        let (mut at, mut rest) = (offset, out);
        while !rest.is_empty() {
            let (index, within) = (at / chunk, at % chunk);
            let length = usize::try_from(chunk - within).map_or(rest.len(), |left| left.min(rest.len()));
            let (room, behind) = rest.split_at_mut(length);
            let mut block = [0; 4];
            self.read(map.saturating_add(index.saturating_mul(4)), &mut block)?;
            match u32::from_le_bytes(block) {
                u32::MAX => room.fill(0),
                block => self.read((u64::from(block) * BLOCK as u64).saturating_add(within), room)?,
            }
            (at, rest) = (at.saturating_add(length as u64), behind);
        }
        Ok(())
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn target(&self, link: &Inode) -> Result<Vec<u8>, ReadError> {
        if link.mode & kind::MASK != kind::LINK || link.size > TARGET {
            return Err(ReadError::Malformed("a link"));
        }
        let mut target = vec![0; TARGET as usize];
        let count = self.content(link, 0, &mut target)?;
        target.truncate(count);
        Ok(target)
    }

    /// Extended attributes by their whole names.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn extended(&self, inode: &Inode) -> Result<xattr::Extended, ReadError> {
        let mut bytes = vec![0; inode.extended];
        self.read(inode.follows, &mut bytes)?;
        xattr::decode(&bytes).ok_or(ReadError::Malformed("an extended attribute"))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > u64::from(self.superblock.blocks) * BLOCK as u64) {
            return Err(ReadError::Malformed("it points behind its own end"));
        }
        Ok(self.source.read_exact_at(offset, out)?)
    }
}

/// Of the chunks' form: how many times a chunk is twice a block (EROFS_CHUNK_FORMAT_BLKBITS_MASK). Other bits are for
/// forms that are not written here.
const CHUNK_BITS: u32 = 0x1f;

fn decode(number: u64, at: u64, bytes: &[u8; INODE]) -> Option<Inode> {
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let (format, mode, content) = (half(0), half(4), word(16));
    let layout = format >> 1;
    let has_content = matches!(mode & kind::MASK, kind::FILE | kind::DIRECTORY | kind::LINK);
    let is_known = match layout {
        LAYOUT_PLAIN | LAYOUT_INLINE => true,
        LAYOUT_CHUNKS => mode & kind::MASK == kind::FILE && content & !CHUNK_BITS == 0,
        _ => false,
    };
    if format & 1 != EXTENDED || !is_known {
        return None;
    }
    Some(Inode {
        number,
        mode,
        links: word(44),
        uid: word(24),
        gid: word(28),
        size: if has_content { long(8) } else { 0 },
        modified: Time {
            seconds: i64::from_le_bytes(long(32).to_le_bytes()),
            nanoseconds: word(40),
        },
        device: if has_content { 0 } else { content },
        layout,
        word: content,
        follows: at + INODE as u64,
        extended: xattr::length(half(2)),
    })
}

fn entries(block: &[u8]) -> Option<Vec<Entry>> {
    let name_at = |index: usize| {
        let field = block.get(index * ENTRY + 8..index * ENTRY + 10)?;
        Some(usize::from(u16::from_le_bytes([field[0], field[1]])))
    };
    let first = name_at(0)?;
    if first == 0 || first % ENTRY != 0 || first > block.len() {
        return None;
    }
    let count = first / ENTRY;
    (0..count)
        .map(|index| {
            let end = if index + 1 == count {
                block.len()
            } else {
                name_at(index + 1)?
            };
            let name = block.get(name_at(index)?..end)?;
            let name = name.split(|byte| *byte == 0).next()?;
            let number = block.get(index * ENTRY..index * ENTRY + 8)?;
            Some(Entry {
                name: Some(name)
                    .filter(|name| !name.is_empty() && name.len() <= NAME)?
                    .to_vec(),
                number: u64::from_le_bytes(number.try_into().ok()?),
                kind: of_number(*block.get(index * ENTRY + 10)?)?,
            })
        })
        .collect()
}

fn of_number(number: u8) -> Option<u16> {
    const KINDS: [u16; 7] = [
        kind::FILE,
        kind::DIRECTORY,
        kind::CHARACTER,
        kind::BLOCK,
        kind::FIFO,
        kind::SOCKET,
        kind::LINK,
    ];
    KINDS.get(usize::from(number).checked_sub(1)?).copied()
}
