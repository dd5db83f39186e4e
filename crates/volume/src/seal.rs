//! Keys, nonces and seals.
//!
//! Each writer has an epoch: key = HKDF-SHA-256(volume key, salt, fence ‖ volume). The salt is 32 random bytes, the
//! fence was taken from the anchor and is used once: a crash, a restored disk or a cloned machine that mounts again
//! meets another key, and within an epoch the counter in the nonce only rises. Nothing is sealed twice under one nonce.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{constant_time, hkdf, hmac};
use zeroize::Zeroizing;

use crate::Error;
use crate::format::bytes::Put;
use crate::format::pointer::Check;
use crate::format::superblock::ALGORITHM;
use crate::format::{Malformed, Roots};

/// Bytes of an AEAD tag.
pub const TAG: usize = 16;

/// The volume's key, from which all others follow. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct VolumeKey(Zeroizing<[u8; 32]>);

impl VolumeKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Whether both are one key.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_slice(), other.0.as_slice()).is_ok()
    }

    /// The key of one writer.
    pub fn epoch(&self, volume: &[u8; 16], fence: u64, salt: &[u8; 32]) -> Result<EpochKey, Error> {
        let mut info = b"casemate/volume/epoch/v1".to_vec();
        info.put_u64(fence).put(volume);
        let bytes = self.derive(salt, &info)?;
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).map_err(|_| Error::Random)?;
        Ok(EpochKey(LessSafeKey::new(key)))
    }

    /// The key that hides names.
    pub fn names(&self, volume: &[u8; 16]) -> Result<NamesKey, Error> {
        let bytes = self.derive(volume, b"casemate/volume/names/v1")?;
        Ok(NamesKey(hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice())))
    }

    fn derive(&self, salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(self.0.as_slice());
        let info = [info];
        let expanded = extracted.expand(&info, hkdf::HKDF_SHA256);
        expanded
            .and_then(|okm| okm.fill(bytes.as_mut_slice()))
            .map_err(|_| Error::Random)?;
        Ok(bytes)
    }
}

impl std::fmt::Debug for VolumeKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("VolumeKey(<redacted>)")
    }
}

/// Hashes names so that the order of a directory says nothing of them.
#[derive(Debug)]
pub struct NamesKey(hmac::Key);

/// Offsets below are kept for "." and "..".
const FIRST_NAME: u64 = 16;

impl NamesKey {
    /// The offset of a name of this inode: 63 bits, since directory positions are signed for applications.
    pub fn offset(&self, inode: u64, name: &[u8]) -> u64 {
        let mut message = Vec::with_capacity(8 + name.len());
        message.put_u64(inode).put(name);
        let tag = hmac::sign(&self.0, &message);
        let mut first = [0; 8];
        first.copy_from_slice(&tag.as_ref()[..8]);
        (u64::from_le_bytes(first) >> 1).max(FIRST_NAME)
    }
}

/// What a seal is for: part of nonce and associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    Data = 1,
    Node = 2,
    Log = 3,
    Slot = 4,
    Epochs = 5,
}

/// The key of one writer's epoch.
#[derive(Debug)]
pub struct EpochKey(LessSafeKey);

impl EpochKey {
    /// Encrypts in place; the tag.
    pub fn seal(
        &self,
        purpose: Purpose,
        counter: u64,
        associated: &[u8],
        bytes: &mut [u8],
    ) -> Result<[u8; TAG], Error> {
        let sealed = self
            .0
            .seal_in_place_separate_tag(nonce(purpose, counter), Aad::from(associated), bytes);
        let tag = sealed.map_err(|_| Error::Host("the cipher failed".into()))?;
        tag.as_ref()
            .try_into()
            .map_err(|_| Error::Host("the cipher failed".into()))
    }

    /// The plaintext, if this key sealed it for this purpose under this nonce.
    pub fn open(
        &self,
        purpose: Purpose,
        counter: u64,
        associated: &[u8],
        bytes: &[u8],
        tag: &[u8; TAG],
        plaintext: &mut [u8],
    ) -> Result<(), Malformed> {
        let nonce = nonce(purpose, counter);
        let opened = self
            .0
            .open_separate_gather(nonce, Aad::from(associated), bytes, tag, plaintext);
        opened.map_err(|_| Malformed("the seal is broken"))
    }
}

fn nonce(purpose: Purpose, counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&(purpose as u32).to_le_bytes());
    bytes[4..].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Associated data of data, nodes and the table of epochs. Their position is bound by who points to them.
pub fn associated(purpose: Purpose, volume: &[u8; 16], length: usize) -> Vec<u8> {
    let mut out = b"casemate/volume/v1".to_vec();
    out.put_u32(purpose as u32).put(volume).put_u16(ALGORITHM);
    out.put_u32(crate::format::bytes::short(length));
    out
}

/// SHA-256.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &parts.concat()).as_ref());
    hash
}

/// What a parent keeps of plaintext with this tag.
pub fn check(roots: Roots, tag: [u8; TAG], plaintext_hash: Option<[u8; 32]>) -> Check {
    let hash = plaintext_hash.filter(|_| roots == Roots::Hash).unwrap_or([0; 32]);
    Check { tag, hash }
}
