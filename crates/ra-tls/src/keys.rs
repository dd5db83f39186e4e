//! Public keys as certificates say them (SubjectPublicKeyInfo, RFC 5280, section 4.1.2.7).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ParsedPublicKey, VerificationAlgorithm,
};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// Kinds of keys (RFC 3279, section 2.3.1; RFC 5480, section 2.1.1).
pub const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Curves by their names (RFC 5480, section 2.1.1.1).
pub const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// An RSAPublicKey (RFC 8017, appendix A.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RsaKey<'a> {
    pub der: &'a [u8],
    /// Of the modulus.
    pub bits: usize,
}

/// The RSA key in a SubjectPublicKeyInfo; None of another kind.
pub fn rsa_key(public_key: &[u8]) -> Option<RsaKey<'_>> {
    let said = SubjectPublicKeyInfoRef::from_der(public_key).ok()?;
    let der = said.subject_public_key.as_bytes()?;
    let mut reader = SliceReader::new(der).ok()?;
    let modulus = reader.sequence(|inner| {
        let modulus = UintRef::decode(inner)?;
        UintRef::decode(inner).map(|_| modulus)
    });
    // Without zeros before it.
    let modulus = modulus.ok()?.as_bytes();
    let zeros = modulus.first()?.leading_zeros();
    let bits = (8 * modulus.len()).checked_sub(usize::try_from(zeros).ok()?)?;
    let right = said.algorithm.oid == RSA_ENCRYPTION && reader.is_finished();
    right.then_some(RsaKey { der, bits })
}

/// The point in a SubjectPublicKeyInfo of this curve (SEC 1, section 2.3.3); None of another. Whether it is on the curve,
/// whoever verifies with it sees.
pub fn point_on(curve: ObjectIdentifier, public_key: &[u8]) -> Option<&[u8]> {
    let said = SubjectPublicKeyInfoRef::from_der(public_key).ok()?;
    let named: ObjectIdentifier = said.algorithm.parameters?.decode_as().ok()?;
    let right = said.algorithm.oid == EC_PUBLIC_KEY && named == curve;
    right.then(|| said.subject_public_key.as_bytes()).flatten()
}

/// Whether it is an RSA key, or one of a curve and on it.
pub fn is_readable(public_key: &[u8]) -> bool {
    let curves: [(ObjectIdentifier, &'static dyn VerificationAlgorithm); 3] = [
        (P256, &ECDSA_P256_SHA256_ASN1),
        (P384, &ECDSA_P384_SHA384_ASN1),
        (P521, &ECDSA_P521_SHA512_ASN1),
    ];
    let is_on = |(curve, verifier)| {
        point_on(curve, public_key).is_some_and(|point| ParsedPublicKey::new(verifier, point).is_ok())
    };
    rsa_key(public_key).is_some() || curves.into_iter().any(is_on)
}
