//! The two keys that one attestation makes and its report binds.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use casemate_wire::encoding::b64u;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey};
use zeroize::Zeroizing;

use crate::Error;

/// Bytes of an X25519 encapsulated key (RFC 9180, table 2).
const ENCAPSULATED: usize = 32;

/// Signs this domain's requests.
#[derive(Debug)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl SigningKey {
    pub fn generate() -> Result<Self, Error> {
        Self::of(Ed25519KeyPair::generate().map_err(|_| Error::Keys("Ed25519"))?)
    }

    /// A key that was made elsewhere.
    pub fn from_seed(seed: &[u8]) -> Result<Self, Error> {
        Self::of(Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::Keys("Ed25519"))?)
    }

    fn of(pair: Ed25519KeyPair) -> Result<Self, Error> {
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| Error::Keys("Ed25519"))?;
        Ok(Self { pair, public })
    }

    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    pub fn public_text(&self) -> String {
        format!("ed25519:{}", b64u(&self.public))
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Opens what the custodian seals to this domain. The private key is wiped when dropped.
pub struct OpeningKey {
    private: HpkePrivateKey,
    public: [u8; 32],
}

impl OpeningKey {
    pub fn generate() -> Result<Self, Error> {
        let (public, private) = SUITE.generate_key_pair().map_err(|_| Error::Keys("X25519"))?;
        let public = public.0.try_into().map_err(|_| Error::Keys("X25519"))?;
        Ok(Self { private, public })
    }

    /// The key of a vector.
    #[cfg(test)]
    pub fn from_parts(private: Vec<u8>, public: [u8; 32]) -> Self {
        let private = HpkePrivateKey::from(private);
        Self { private, public }
    }

    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    pub fn public_text(&self) -> String {
        format!("x25519:{}", b64u(&self.public))
    }

    /// The plaintext of `sealed` (enc ‖ ciphertext), if it was sealed to this key for this `info`.
    pub fn open(&self, sealed: &[u8], info: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED)?;
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        SUITE
            .open(&encapsulated, info, &[], ciphertext, &self.private)
            .ok()
            .map(Zeroizing::new)
    }
}

/// Random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Keys("random bytes"))?;
    Ok(bytes)
}
