//! Public keys as certificates say them (SubjectPublicKeyInfo, RFC 5280, section 4.1.2.7).

use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Curves by their names (RFC 5480, section 2.1.1.1).
pub const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

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
