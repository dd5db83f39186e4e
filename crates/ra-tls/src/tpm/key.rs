//! The key that signs quotes: its numbers as a key, and what it may be.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RsaParameters, RsaPssSaltLength, UnparsedPublicKey, VerificationAlgorithm,
};
use casemate_wire::encoding::sha256;
use x509_cert::der::asn1::{Any, BitString, ObjectIdentifier, UintRef};
use x509_cert::der::{self, Encode, Tag};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::structures::{
    Curve, DECRYPT, FIXED_PARENT, FIXED_TPM, Numbers, Public, RESTRICTED, SENSITIVE_DATA_ORIGIN, SIGN, Scheme,
    Signature, SignatureValue, Signing,
};
use crate::Error;
use crate::eventlog::Algorithm;
use crate::keys::{EC_PUBLIC_KEY, P256, P384, RSA_ENCRYPTION};

const MUST: u32 = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | RESTRICTED | SIGN;
const MUST_NOT: u32 = DECRYPT;
const LEAST_RSA_BITS: u64 = 2048;
const EXPONENT: u64 = 65_537;
/// Before a point whose coordinates are both written (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

const SIGNS: &str = "RSASSA, RSAPSS or ECDSA with SHA-256 or SHA-384";
/// The salt is as long as the digest, or as the key allows (TPM library, Part 1, B.7). None is as good.
static PSS_SHA256: [RsaParameters; 3] = with_salts([RSA_PSS_2048_8192_SHA256; 3]);
static PSS_SHA384: [RsaParameters; 3] = with_salts([RSA_PSS_2048_8192_SHA384; 3]);
static SSA_SHA256: [RsaParameters; 1] = [RSA_PKCS1_2048_8192_SHA256];
static SSA_SHA384: [RsaParameters; 1] = [RSA_PKCS1_2048_8192_SHA384];

const fn with_salts([first, second, third]: [RsaParameters; 3]) -> [RsaParameters; 3] {
    [
        first.with_pss_salt_length(RsaPssSaltLength::Digest),
        second.with_pss_salt_length(RsaPssSaltLength::Max),
        third.with_pss_salt_length(RsaPssSaltLength::Custom(0)),
    ]
}

/// A key that signs nothing but what its TPM made.
#[derive(Debug)]
pub struct Key {
    /// Its point, or RSAPublicKey (RFC 8017, appendix A.1.1).
    public: Vec<u8>,
    curve: Option<Curve>,
    /// SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
    /// SHA-256 of that.
    pub digest: [u8; 32],
}

impl Key {
    /// What the key is allowed to do is what its owner says, and is true where somebody vouches for the key.
    pub fn of(said: &Public<'_>) -> Result<Self, Error> {
        if said.attributes & MUST != MUST || said.attributes & MUST_NOT != 0 {
            return Err(
                Error::new("evidence.key", "the key is none that signs only what its TPM made")
                    .expected("restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin and not decrypt")
                    .got(format!("attributes {:#010x}", said.attributes)),
            );
        }
        let Some((scheme, Algorithm::Sha256 | Algorithm::Sha384)) = said.signing else {
            return Err(weak(
                "the key has no scheme of its own, or one with a hash that is not believed",
            ));
        };
        match said.numbers {
            Numbers::Ecc { .. } if scheme != Scheme::Ecdsa => Err(weak("a scheme of another kind of key")),
            Numbers::Ecc { curve, x, y } => Self::on(curve, x, y),
            Numbers::Rsa { .. } if scheme == Scheme::Ecdsa => Err(weak("a scheme of another kind of key")),
            Numbers::Rsa {
                bits,
                modulus,
                exponent,
            } => Self::rsa(bits, modulus, exponent),
        }
    }

    fn on(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, Error> {
        let size = curve.size();
        let coordinates = padded(x, size).zip(padded(y, size)).ok_or_else(no_key)?;
        let point = [vec![UNCOMPRESSED], coordinates.0, coordinates.1].concat();
        // Whether it is on the curve.
        ParsedPublicKey::new(curve.verifier(Algorithm::Sha256), &point).map_err(|_| no_key())?;
        let spki = spki(EC_PUBLIC_KEY, Any::encode_from(&curve.name()), &point).map_err(|_| no_key())?;
        Ok(Self::made(point, Some(curve), spki))
    }

    fn rsa(bits: u64, modulus: &[u8], exponent: u64) -> Result<Self, Error> {
        if bits < LEAST_RSA_BITS || exponent != EXPONENT {
            return Err(Error::new("evidence.key", "a weak RSA key")
                .expected(format!("at least {LEAST_RSA_BITS} bits, exponent {EXPONENT}"))
                .got(format!("{bits} bits, exponent {exponent}")));
        }
        let public = rsa_public_key(modulus, exponent).map_err(|_| no_key())?;
        let spki = spki(RSA_ENCRYPTION, Ok(Any::null()), &public).map_err(|_| no_key())?;
        Ok(Self::made(public, None, spki))
    }

    fn made(public: Vec<u8>, curve: Option<Curve>, spki: Vec<u8>) -> Self {
        let digest = sha256(&spki);
        Self {
            public,
            curve,
            spki,
            digest,
        }
    }

    /// Whether the signature is the key's, over `data`.
    pub fn signed(&self, signature: &Signature<'_>, data: &[u8]) -> bool {
        match (self.curve, &signature.value) {
            (Some(curve), SignatureValue::Ecdsa { r, s }) => {
                let (_, hash) = signature.signing;
                let key = UnparsedPublicKey::new(curve.verifier(hash), &self.public);
                sequence(r, s).is_ok_and(|signature| key.verify(data, &signature).is_ok())
            }
            (None, SignatureValue::Rsa(value)) => rsa_verifiers(signature.signing).iter().any(|verifier| {
                let key = UnparsedPublicKey::new(verifier, &self.public);
                key.verify(data, value).is_ok()
            }),
            _ => false,
        }
    }
}

impl Curve {
    fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    fn name(self) -> ObjectIdentifier {
        match self {
            Self::P256 => P256,
            Self::P384 => P384,
        }
    }

    /// Of signatures in DER.
    fn verifier(self, hash: Algorithm) -> &'static dyn VerificationAlgorithm {
        match (self, hash) {
            (Self::P256, Algorithm::Sha384) => &ECDSA_P256_SHA384_ASN1,
            (Self::P256, _) => &ECDSA_P256_SHA256_ASN1,
            (Self::P384, Algorithm::Sha384) => &ECDSA_P384_SHA384_ASN1,
            (Self::P384, _) => &ECDSA_P384_SHA256_ASN1,
        }
    }
}

/// Ways to sign so, of which one is enough.
fn rsa_verifiers((scheme, hash): Signing) -> &'static [RsaParameters] {
    match (scheme, hash) {
        (Scheme::RsaPss, Algorithm::Sha256) => &PSS_SHA256,
        (Scheme::RsaPss, Algorithm::Sha384) => &PSS_SHA384,
        (Scheme::RsaSsa, Algorithm::Sha256) => &SSA_SHA256,
        (Scheme::RsaSsa, Algorithm::Sha384) => &SSA_SHA384,
        _ => &[],
    }
}

/// A number in as many bytes; None of one that needs more.
fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..)?;
    let before = size.checked_sub(digits.len())?;
    Some([vec![0; before].as_slice(), digits].concat())
}

fn rsa_public_key(modulus: &[u8], exponent: u64) -> der::Result<Vec<u8>> {
    sequence(modulus, &exponent.to_be_bytes())
}

/// DER of two unsigned numbers: an RSAPublicKey, or an ECDSA-Sig-Value (RFC 5480, appendix A).
fn sequence(first: &[u8], second: &[u8]) -> der::Result<Vec<u8>> {
    let numbers = [UintRef::new(first)?.to_der()?, UintRef::new(second)?.to_der()?].concat();
    Any::new(Tag::Sequence, numbers)?.to_der()
}

/// SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
fn spki(oid: ObjectIdentifier, parameters: der::Result<Any>, key: &[u8]) -> der::Result<Vec<u8>> {
    let said = SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned {
            oid,
            parameters: Some(parameters?),
        },
        subject_public_key: BitString::from_bytes(key)?,
    };
    said.to_der()
}

fn weak(reason: &str) -> Error {
    Error::new("evidence.algorithm", reason).expected(SIGNS)
}

fn no_key() -> Error {
    Error::new("evidence.key", "numbers that are no key")
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256, RsaSignatureEncoding};

    use super::*;

    const DIGEST: RsaSignatureEncoding = RSA_PSS_SHA256;
    const MAX: RsaSignatureEncoding = RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Max);
    const NONE: RsaSignatureEncoding = RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(0));
    const OTHER: RsaSignatureEncoding = RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Custom(7));

    #[test]
    fn salts_are_of_the_lengths_that_tpms_choose() {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        // Behind the heads of the sequence and of the number, and a zero.
        let modulus = &pair.public_key().as_ref()[9..9 + 256];
        let key = Key::rsa(2048, modulus, EXPONENT).unwrap();
        assert_eq!(key.public, pair.public_key().as_ref());
        let encodings: [(&'static RsaSignatureEncoding, bool); 4] =
            [(&DIGEST, true), (&MAX, true), (&NONE, true), (&OTHER, false)];
        for (encoding, believed) in encodings {
            let mut value = vec![0; 256];
            pair.sign(encoding, &SystemRandom::new(), b"it", &mut value).unwrap();
            let signed = |scheme, data: &[u8]| {
                let signature = Signature {
                    signing: (scheme, Algorithm::Sha256),
                    value: SignatureValue::Rsa(&value),
                };
                key.signed(&signature, data)
            };
            assert_eq!(signed(Scheme::RsaPss, b"it"), believed);
            assert!(!signed(Scheme::RsaPss, b"that"));
            assert!(!signed(Scheme::RsaSsa, b"it"));
        }
    }

    #[test]
    fn coordinates_are_as_long_as_the_curve_is_wide() {
        assert_eq!(padded(&[0, 0, 1], 2), Some(vec![0, 1]));
        assert_eq!(padded(&[], 2), Some(vec![0, 0]));
        assert_eq!(padded(&[1, 0, 1], 2), None);
    }
}
