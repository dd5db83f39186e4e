//! Inodes, and their 64 bytes (struct erofs_inode_extended).

use crate::Attributes;
use crate::content::{Content, Place};
use crate::read::kind;
use crate::xattr::count;
use crate::{BLOCK, Error};

/// A device's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// What an inode is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Its entries are in the tree.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and where it leads: 1 to 4,095 bytes.
    Link(Vec<u8>),
    /// A character device.
    Character(Device),
    /// A block device.
    Block(Device),
    /// A named pipe.
    Fifo,
    /// A socket's name.
    Socket,
}

/// Bytes of an inode.
pub const INODE: usize = 64;
/// Inodes lie at multiples of this; their numbers count it.
pub const SLOT: usize = 32;

/// i_format: an inode of 64 bytes, with a layout in bits 1 to 3.
pub const EXTENDED: u16 = 1;
pub const LAYOUT_PLAIN: u16 = 0;
pub const LAYOUT_INLINE: u16 = 2;
pub const LAYOUT_CHUNKS: u16 = 4;

impl Kind {
    /// Type bits of st_mode.
    fn mode(&self) -> u16 {
        match self {
            Self::Directory => kind::DIRECTORY,
            Self::File(_) => kind::FILE,
            Self::Link(_) => kind::LINK,
            Self::Character(_) => kind::CHARACTER,
            Self::Block(_) => kind::BLOCK,
            Self::Fifo => kind::FIFO,
            Self::Socket => kind::SOCKET,
        }
    }

    /// As directories say it (EROFS_FT_*).
    pub(crate) fn number(&self) -> u8 {
        match self {
            Self::File(_) => 1,
            Self::Directory => 2,
            Self::Character(_) => 3,
            Self::Block(_) => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Link(_) => 7,
        }
    }

    fn device(&self) -> u32 {
        match self {
            Self::Character(device) | Self::Block(device) => device.encode(),
            _ => 0,
        }
    }
}

impl Device {
    /// As Linux writes it into 32 bits (new_encode_dev).
    fn encode(self) -> u32 {
        self.minor & 0xff | self.major << 8 | (self.minor & !0xff) << 12
    }
}

/// What is said of an inode's content.
pub struct Described<'c> {
    pub place: &'c Place,
    pub size: u64,
}

/// The bytes of an inode, without what follows.
pub fn encode(
    kind: &Kind,
    attributes: &Attributes,
    extended: usize,
    links: u32,
    number: u32,
    described: &Described<'_>,
) -> Result<[u8; INODE], Error> {
    let (layout, word) = match described.place {
        Place::Nowhere => (LAYOUT_PLAIN, kind.device()),
        Place::Inline => (LAYOUT_INLINE, 0),
        Place::Row { first } => (LAYOUT_PLAIN, *first),
        Place::Chunks { bits, .. } => (LAYOUT_CHUNKS, u32::from(bits - BLOCK.ilog2() as u8)),
    };
    let mut bytes = [0; INODE];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        bytes[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    };
    put(&(EXTENDED | layout << 1).to_le_bytes());
    put(&count(extended)?.to_le_bytes());
    put(&(kind.mode() | attributes.permissions & 0o7777).to_le_bytes());
    put(&[0; 2]);
    put(&described.size.to_le_bytes());
    put(&word.to_le_bytes());
    put(&number.to_le_bytes());
    put(&attributes.uid.to_le_bytes());
    put(&attributes.gid.to_le_bytes());
    put(&attributes.modified.seconds.to_le_bytes());
    put(&attributes.modified.nanoseconds.to_le_bytes());
    put(&links.to_le_bytes());
    Ok(bytes)
}
