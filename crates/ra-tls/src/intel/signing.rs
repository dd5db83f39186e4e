//! How Intel signs: ECDSA P-256 with SHA-256, in certificates and lists in DER (RFC 3279, section 2.2.3), elsewhere as
//! r ‖ s.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey};
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::x509::Certificate;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// AlgorithmIdentifier of ecdsa-with-SHA256, which has no parameters (RFC 5758, section 3.2).
const ALGORITHM: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const UNCOMPRESSED: u8 = 4;
const COORDINATES: usize = 64;

/// A point of P-256: 4, x, y.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point([u8; COORDINATES + 1]);

impl Point {
    /// Of x ‖ y; None of what is not on the curve.
    pub fn of(coordinates: &[u8]) -> Option<Self> {
        let coordinates: &[u8; COORDINATES] = coordinates.try_into().ok()?;
        let mut point = [UNCOMPRESSED; COORDINATES + 1];
        point[1..].copy_from_slice(coordinates);
        let held = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok();
        held.then_some(Self(point))
    }

    /// The key of a certificate, if it is of that curve.
    pub fn of_certificate(certificate: &Certificate) -> Option<Self> {
        let said = SubjectPublicKeyInfoRef::from_der(&certificate.public_key).ok()?;
        let curve: ObjectIdentifier = said.algorithm.parameters?.decode_as().ok()?;
        let (form, coordinates) = said.subject_public_key.as_bytes()?.split_first()?;
        let right = said.algorithm.oid == EC_PUBLIC_KEY && curve == SECP256R1 && *form == UNCOMPRESSED;
        right.then(|| Self::of(coordinates)).flatten()
    }

    /// Whether `signature` is by it: r ‖ s, 32 bytes each, big-endian.
    pub fn signed(&self, data: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0);
        key.verify(data, signature).is_ok()
    }
}

/// Names chain, and the issuer's key signed it, by the algorithm that it names.
pub fn is_signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    let named = certificate.issuer == issuer.subject && certificate.algorithm == ALGORITHM;
    named && signature_holds(issuer, &certificate.signed, &certificate.signature)
}

/// Whether `signature` is one of Intel's profile, by the issuer's key, whatever the bytes say of their algorithm.
pub fn signature_holds(issuer: &Certificate, signed: &[u8], signature: &[u8]) -> bool {
    Point::of_certificate(issuer).is_some_and(|point| {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point.0);
        key.verify(signed, signature).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &[u8] = include_bytes!("../../../../src/casemate/attestation/platforms/intel/roots/sgx-root.pem");

    #[test]
    fn what_is_signed_names_the_algorithm() {
        let root = Certificate::parse(ROOT, "root").unwrap();
        assert!(is_signed_by(&root, &root));
        let mut other = root.clone();
        // ecdsa-with-SHA384.
        *other.algorithm.last_mut().unwrap() += 1;
        assert!(!is_signed_by(&other, &root));
    }
}
