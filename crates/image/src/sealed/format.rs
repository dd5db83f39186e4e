//! Bytes of a sealed layer.

use super::Error;

/// Bytes of a piece.
pub const PIECE: usize = 16 * 1024;
/// Bytes of a sealed piece's tag; those of a layer that is not encrypted have none.
pub const TAG: usize = 16;
/// Bytes before the first piece.
pub const HEAD: usize = 4096;
/// Bytes of a block of the file system.
pub const BLOCK: u64 = 4096;
/// Bytes of a hash.
pub const HASH: usize = 32;
/// Hashes in a piece of the tree.
pub const HASHES: u64 = (PIECE / HASH) as u64;

/// What a sealed layer begins with.
pub const MAGIC: &[u8; 16] = b"casemate/layer/1";
/// Largest file system that EROFS has.
const LARGEST: u64 = BLOCK << 32;

/// How a layer is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nobody without the key reads it.
    Encrypted,
    /// Everybody reads it.
    Authenticated,
}

impl Protection {
    fn code(self) -> u8 {
        match self {
            Self::Authenticated => 0,
            Self::Encrypted => 1,
        }
    }

    fn of(code: u8) -> Result<Self, Error> {
        match code {
            0 => Ok(Self::Authenticated),
            1 => Ok(Self::Encrypted),
            _ => Err(Error::Unknown),
        }
    }
}

/// What the first bytes say. The host can change them: only the root binds, and it binds the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub protection: Protection,
    /// Bytes of the file system.
    pub size: u64,
}

impl Head {
    pub fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16] = self.protection.code();
        bytes[24..32].copy_from_slice(&self.size.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8; HEAD]) -> Result<Self, Error> {
        let mut size = [0; 8];
        size.copy_from_slice(&bytes[24..32]);
        let head = Self {
            protection: Protection::of(bytes[16])?,
            size: u64::from_le_bytes(size),
        };
        // No byte has no meaning: what this version does not write, it does not read.
        if head.encode() != *bytes {
            return Err(Error::Unknown);
        }
        check_size(head.size)?;
        Ok(head)
    }

    /// Bytes of a piece in the file.
    pub fn stride(&self) -> u64 {
        match self.protection {
            Protection::Encrypted => (PIECE + TAG) as u64,
            Protection::Authenticated => PIECE as u64,
        }
    }

    /// Where a piece begins.
    pub fn at(&self, piece: u64) -> u64 {
        HEAD as u64 + piece * self.stride()
    }

    /// All bytes of the layer.
    pub fn length(&self) -> u64 {
        self.at(self.shape().all())
    }

    pub fn shape(&self) -> Shape {
        Shape::of(self.size)
    }
}

pub fn check_size(size: u64) -> Result<(), Error> {
    if size == 0 || size > LARGEST || size % BLOCK != 0 {
        return Err(Error::Size);
    }
    Ok(())
}

/// How many pieces there are, level by level: the file system's, the hashes of those, the hashes of these, up to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(Vec<u64>);

impl Shape {
    pub fn of(size: u64) -> Self {
        let mut levels = vec![size.div_ceil(PIECE as u64)];
        loop {
            let above = levels[levels.len() - 1].div_ceil(HASHES);
            levels.push(above);
            if above == 1 {
                return Self(levels);
            }
        }
    }

    /// Levels, the file system's being number 0.
    pub fn levels(&self) -> usize {
        self.0.len()
    }

    /// Pieces of a level.
    pub fn pieces(&self, level: usize) -> u64 {
        self.0[level]
    }

    /// Number of a level's first piece.
    pub fn first(&self, level: usize) -> u64 {
        self.0[..level].iter().sum()
    }

    /// All pieces.
    pub fn all(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Of the pieces of a level: which one above holds a piece's hash, and at which byte.
pub fn place(index: u64) -> (u64, usize) {
    (index / HASHES, (index % HASHES) as usize * HASH)
}
