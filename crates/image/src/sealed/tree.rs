//! The tree of hashes over a layer's pieces.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use casemate_sys::{LANES, sha256_of_four};

use super::format::{HASH, HASHES, PIECE, Shape, TAG};
use super::hashing::{Found, Working};
use super::{Error, ImageKey};

/// A layer's root: it binds the file system, to the last bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Root([u8; HASH]);

impl Root {
    /// The root of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; HASH]) -> Self {
        Self(bytes)
    }

    /// The root that 64 hexadecimal digits name, small ones.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .chars()
            .map(|digit| Some(digit.to_digit(16)? as u8))
            .collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0))
            .collect();
        let root = Self(bytes.try_into().ok()?);
        (root.to_string() == text).then_some(root)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; HASH] {
        &self.0
    }
}

/// In hexadecimal digits, as manifests and files name it.
impl fmt::Display for Root {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Hashes pieces of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    salt: [u8; HASH],
}

/// First bytes of what is hashed: the purpose, the level, the salt. One block of SHA-256.
const PURPOSE: &[u8; 31] = b"casemate/layer/hash/v1\0\0\0\0\0\0\0\0\0";
const ROOT: &[u8; 32] = b"casemate/layer/root/v1\0\0\0\0\0\0\0\0\0\0";

impl Hasher {
    /// Of a layer under a key; without one, everybody can say what the root is.
    pub fn new(key: Option<&ImageKey>) -> Result<Self, Error> {
        let salt = key.map(ImageKey::salt).transpose()?;
        Ok(Self {
            salt: salt.unwrap_or_default(),
        })
    }

    pub fn piece(&self, level: usize, piece: &[u8; PIECE]) -> [u8; HASH] {
        self.hash(&[&self.start(level), piece])
    }

    /// Those of pieces of one level, sooner than one after the other.
    pub fn pieces(&self, level: usize, pieces: &[&[u8; PIECE]]) -> Vec<[u8; HASH]> {
        let fours = pieces.chunks_exact(LANES);
        let rest = fours.remainder().iter().map(|piece| self.piece(level, piece));
        let hashed = fours
            .filter_map(|four| four.try_into().ok())
            .flat_map(|four| self.four(level, four));
        hashed.chain(rest).collect()
    }

    /// Likewise of four.
    pub fn four(&self, level: usize, pieces: [&[u8; PIECE]; LANES]) -> [[u8; HASH]; LANES] {
        let hashed = sha256_of_four(&self.start(level), pieces);
        hashed.unwrap_or_else(|| pieces.map(|piece| self.piece(level, piece)))
    }

    fn start(&self, level: usize) -> [u8; 64] {
        let mut start = [0; 64];
        start[..31].copy_from_slice(PURPOSE);
        start[31] = u8::try_from(level).unwrap_or(u8::MAX);
        start[32..].copy_from_slice(&self.salt);
        start
    }

    /// The root above the one piece of the last level.
    pub fn root(&self, size: u64, top: &[u8; HASH]) -> Root {
        let piece = (PIECE as u64).to_le_bytes();
        Root(self.hash(&[ROOT, &self.salt, &size.to_le_bytes(), &piece, top]))
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; HASH] {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        let mut hash = [0; HASH];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

/// All hashes of a file system, and what its pieces are recognised by: 3 MiB for each GiB.
pub struct Tree {
    pub size: u64,
    pub shape: Shape,
    /// Pieces of hashes, from level 1 up to the one at the top.
    pub pieces: Vec<Box<[u8; PIECE]>>,
    /// Of each piece of the file system.
    marks: Vec<[u8; TAG]>,
    working: Arc<Working>,
    root: Root,
}

impl Tree {
    /// Over the pieces of a file system of this size.
    pub fn over(found: Vec<Found>, size: u64, working: Arc<Working>) -> Self {
        let (mut hashes, marks): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let shape = Shape::of(size);
        let mut pieces = Vec::new();
        for level in 1..shape.levels() {
            let made = pack(&hashes);
            hashes = made.iter().map(|piece| working.hasher.piece(level, piece)).collect();
            pieces.extend(made);
        }
        let root = working.hasher.root(size, &hashes[0]);
        Self {
            size,
            shape,
            pieces,
            marks,
            working,
            root,
        }
    }

    /// Whether a piece of the file system is the one that was hashed.
    pub fn knows(&self, number: u64, piece: &[u8]) -> Result<bool, Error> {
        let index = usize::try_from(number).map_err(|_| Error::Size)?;
        Ok(self.marks.get(index) == Some(&self.working.marking.of(number, piece)?))
    }

    /// The layer's root.
    pub fn root(&self) -> Root {
        self.root
    }
}

fn pack(hashes: &[[u8; HASH]]) -> Vec<Box<[u8; PIECE]>> {
    let pack = |hashes: &[[u8; HASH]]| {
        let mut piece = Box::new([0; PIECE]);
        let rooms = piece.chunks_mut(HASH);
        rooms.zip(hashes).for_each(|(room, hash)| room.copy_from_slice(hash));
        piece
    };
    hashes.chunks(HASHES as usize).map(pack).collect()
}
