//! How AMD signs certificates and revocation lists.
//!
//! Profile (VCEK specification 57230, "Certificates"): RSA keys of 4,096 bits that sign with RSASSA-PSS (SHA-384, MGF1
//! with SHA-384, 48 bytes of salt), and P-384 keys that sign reports. The rest follows RFC 5280.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PSS_2048_8192_SHA384, UnparsedPublicKey};

use crate::keys::{P384, point_on, rsa_key};
use crate::x509::Certificate;

const RSA_BITS: usize = 4096;

/// Names chain, and the issuer's key signed it.
pub fn is_signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    certificate.issuer == issuer.subject && signature_holds(issuer, &certificate.signed, &certificate.signature)
}

/// Whether `signature` is one of AMD's profile, by the issuer's key, whatever the bytes say of their algorithm.
pub fn signature_holds(issuer: &Certificate, signed: &[u8], signature: &[u8]) -> bool {
    let Some(key) = rsa_key(&issuer.public_key).filter(|key| key.bits == RSA_BITS) else {
        return false;
    };
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA384, key.der)
        .verify(signed, signature)
        .is_ok()
}

/// The key of a certificate that signs reports, if it is of P-384.
pub fn report_key(certificate: &Certificate) -> Option<ParsedPublicKey> {
    let point = point_on(P384, &certificate.public_key)?;
    ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VCEK: &[u8] = include_bytes!("../../../../spec/vectors/sev-snp/certificates/milan-vcek-v2.vcek.der");
    /// DER of secp384r1.
    const CURVE: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

    #[test]
    fn a_report_key_says_that_it_is_of_p384() {
        let mut certificate = Certificate::parse(VCEK, "VCEK").unwrap();
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
