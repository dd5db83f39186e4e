//! How AMD signs certificates and revocation lists.
//!
//! Profile (VCEK specification 57230, "Certificates"): RSA keys of 4,096 bits that sign with RSASSA-PSS (SHA-384, MGF1
//! with SHA-384, 48 bytes of salt), and P-384 keys that sign reports. The rest follows RFC 5280.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PSS_2048_8192_SHA384, UnparsedPublicKey};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::x509::Certificate;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA_BYTES: usize = 512;

/// Names chain, and the issuer's key signed it.
pub fn is_signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    certificate.issuer == issuer.subject && signature_holds(issuer, &certificate.signed, &certificate.signature)
}

/// Whether `signature` is one of AMD's profile, by the issuer's key, whatever the bytes say of their algorithm.
pub fn signature_holds(issuer: &Certificate, signed: &[u8], signature: &[u8]) -> bool {
    let Some(key) = rsa_key(&issuer.public_key) else {
        return false;
    };
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, key)
        .verify(signed, signature)
        .is_ok()
}

/// The RSAPublicKey (RFC 8017, appendix A.1.1) in a SubjectPublicKeyInfo, if it is of exactly 4,096 bits.
fn rsa_key(public_key: &[u8]) -> Option<&[u8]> {
    let said = SubjectPublicKeyInfoRef::from_der(public_key).ok()?;
    let key = said.subject_public_key.as_bytes()?;
    let mut reader = SliceReader::new(key).ok()?;
    let modulus = reader.sequence(|inner| {
        let modulus = UintRef::decode(inner)?;
        UintRef::decode(inner).map(|_| modulus)
    });
    let modulus = modulus.ok()?.as_bytes();
    let right = said.algorithm.oid == RSA_ENCRYPTION && modulus.len() == RSA_BYTES && modulus[0] & 0x80 != 0;
    (right && reader.is_finished()).then_some(key)
}

/// The key of a certificate that signs reports, if it is of P-384.
pub fn report_key(certificate: &Certificate) -> Option<ParsedPublicKey> {
    let said = SubjectPublicKeyInfoRef::from_der(&certificate.public_key).ok()?;
    let curve: ObjectIdentifier = said.algorithm.parameters?.decode_as().ok()?;
    let point = said.subject_public_key.as_bytes()?;
    let right = said.algorithm.oid == EC_PUBLIC_KEY && curve == SECP384R1;
    right
        .then(|| ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VCEK: &[u8] = include_bytes!("../../../../spec/vectors/sev-snp/certificates/milan-vcek-v2.vcek.der");
    /// DER of secp384r1.
    const CURVE: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

    #[test]
    fn a_report_key_says_that_it_is_of_p384() {
        let mut certificate = Certificate::from_der(VCEK, "VCEK").unwrap();
        assert!(report_key(&certificate).is_some());
        let place = certificate
            .public_key
            .windows(CURVE.len())
            .position(|part| part == CURVE)
            .unwrap();
        // The same point, on secp521r1 as it says.
        certificate.public_key[place + CURVE.len() - 1] = 0x23;
        assert!(report_key(&certificate).is_none());
    }
}
