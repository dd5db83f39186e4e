//! Where a sealed node is, and what it must be.

use super::bytes::{Put, Reader};
use super::{Malformed, Roots};

/// What the holder of a pointer knows about the bytes that it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// AEAD tag.
    pub tag: [u8; 16],
    /// SHA-256 of the plaintext; zeros in a volume of [`Roots::Tag`], where it is not stored.
    pub hash: [u8; 32],
}

impl Check {
    /// Stored bytes.
    pub const fn size(roots: Roots) -> usize {
        match roots {
            Roots::Tag => 16,
            Roots::Hash => 48,
        }
    }

    pub fn decode(reader: &mut Reader<'_>, roots: Roots) -> Result<Self, Malformed> {
        let tag = reader.array()?;
        let hash = match roots {
            Roots::Tag => [0; 32],
            Roots::Hash => reader.array()?,
        };
        Ok(Self { tag, hash })
    }

    pub fn encode(&self, out: &mut Vec<u8>, roots: Roots) {
        out.put(&self.tag);
        if roots == Roots::Hash {
            out.put(&self.hash);
        }
    }
}

/// A node, or another sealed object of known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// First block. Block 0 is the first of segment 0.
    pub address: u64,
    /// Epoch whose key sealed it.
    pub fence: u64,
    /// Counter of the nonce.
    pub counter: u64,
    /// Generation of the first checkpoint that has it.
    pub birth: u64,
    pub check: Check,
}

impl Pointer {
    /// Stored bytes.
    pub const fn size(roots: Roots) -> usize {
        32 + Check::size(roots)
    }

    pub fn decode(reader: &mut Reader<'_>, roots: Roots) -> Result<Self, Malformed> {
        Ok(Self {
            address: reader.u64()?,
            fence: reader.u64()?,
            counter: reader.u64()?,
            birth: reader.u64()?,
            check: Check::decode(reader, roots)?,
        })
    }

    pub fn encode(&self, out: &mut Vec<u8>, roots: Roots) {
        out.put_u64(self.address)
            .put_u64(self.fence)
            .put_u64(self.counter)
            .put_u64(self.birth);
        self.check.encode(out, roots);
    }
}
