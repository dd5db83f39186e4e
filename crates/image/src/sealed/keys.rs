//! From an image's key to a layer's, and how pieces are sealed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use super::Error;
use super::format::{HASH, PIECE, TAG};
use super::tree::Root;

/// An image's key, from which those of its layers follow. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct ImageKey(Zeroizing<[u8; 32]>);

impl ImageKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What is hashed along: without the key nobody finds out, by hashing what is public, which public layer this is.
    pub(super) fn salt(&self) -> Result<[u8; HASH], Error> {
        let derived = self.derive(b"", b"casemate/image/salt/v1")?;
        Ok(*derived)
    }

    pub(super) fn layer(&self, root: &Root) -> Result<LayerKey, Error> {
        let bytes = self.derive(root.as_bytes(), b"casemate/image/layer/v1")?;
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map_err(|_| Error::Cipher)?;
        Ok(LayerKey(LessSafeKey::new(key)))
    }

    fn derive(&self, salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(self.0.as_slice());
        let info = [info];
        let expanded = extracted.expand(&info, hkdf::HKDF_SHA256);
        let filled = expanded.and_then(|okm| okm.fill(bytes.as_mut_slice()));
        filled.map_err(|_| Error::Cipher)?;
        Ok(bytes)
    }
}

impl std::fmt::Debug for ImageKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ImageKey(<redacted>)")
    }
}

/// Seals the pieces of one layer.
#[derive(Debug)]
pub struct LayerKey(LessSafeKey);

/// Purpose and version, bound by each tag.
const PURPOSE: &[u8] = b"casemate/layer/piece/v1";

impl LayerKey {
    /// Seals a piece in place; its tag.
    pub fn seal(&self, number: u64, piece: &mut [u8; PIECE]) -> Result<[u8; TAG], Error> {
        let sealed = self
            .0
            .seal_in_place_separate_tag(nonce(number), Aad::from(PURPOSE), piece);
        let tag = sealed.map_err(|_| Error::Cipher)?;
        let mut bytes = [0; TAG];
        bytes.copy_from_slice(tag.as_ref());
        Ok(bytes)
    }

    /// Opens a piece with its tag behind it into `piece`, which has anything at all where that fails.
    pub fn open(&self, number: u64, sealed: &[u8], piece: &mut [u8; PIECE]) -> Result<(), Error> {
        let (ciphertext, tag) = sealed.split_at_checked(PIECE).ok_or(Error::Size)?;
        let opened = self
            .0
            .open_separate_gather(nonce(number), Aad::from(PURPOSE), ciphertext, tag, piece);
        opened.map_err(|_| Error::Tampered { piece: number })
    }
}

/// Recognises pieces within one process, faster than a hash: GMAC (NIST SP 800-38D) under a key of chance that nobody
/// else knows, and tags that nobody else sees.
#[derive(Debug)]
pub struct Marks(LessSafeKey);

impl Marks {
    pub fn new() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| Error::Cipher)?;
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map_err(|_| Error::Cipher)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// The mark of a piece in its place.
    pub fn of(&self, number: u64, piece: &[u8]) -> Result<[u8; TAG], Error> {
        let sealed = self
            .0
            .seal_in_place_separate_tag(nonce(number), Aad::from(piece), &mut []);
        let tag = sealed.map_err(|_| Error::Cipher)?;
        let mut bytes = [0; TAG];
        bytes.copy_from_slice(tag.as_ref());
        Ok(bytes)
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
