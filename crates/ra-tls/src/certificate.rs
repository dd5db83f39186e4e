//! Certificates of the form of spec/ra-tls.md: read, held against their own key, and against their times.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_cert::der::asn1::ObjectIdentifier;

use crate::Error;
use crate::carried::{Carried, TYPE};
use crate::cmw::record;
use crate::x509::{Certificate, time_text};

/// More does not fit into the handshake message of some implementations.
pub const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;
/// Longest life of a certificate, in seconds: its evidence is as old as it is, and says nothing of when it was made.
pub const LONGEST: i64 = 24 * 60 * 60;

/// The TCG's extension for evidence (DICE Attestation Architecture 1.1, conceptual message wrapper).
const DICE_CMW: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.5.4.9");
/// ecdsa-with-SHA256 (RFC 5758).
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// A SubjectPublicKeyInfo of P-256 up to its point (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

const FORM: &str = "evidence.certificates";
const TIMES: &str = "ra_tls.times";

/// A certificate of the right form; nothing of what it carries is verified.
#[derive(Debug, Clone)]
pub struct RaTlsCertificate {
    /// What it carries.
    pub carried: Carried,
    /// SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// From when it is valid, in Unix seconds.
    pub start: i64,
    /// Until when.
    pub end: i64,
}

impl RaTlsCertificate {
    /// Step 1: the form. Signed by its own key, one extension, one record of our type, one spelling.
    ///
    /// # Errors
    /// `evidence.certificates`, `ra_tls.extension`, `evidence.cmw`, `evidence.cbor`, `ra_tls.type`, `ra_tls.form`.
    pub fn read(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(Error::new(FORM, "the certificate is too large")
                .expected(format!("at most {MAX_CERTIFICATE_BYTES} bytes"))
                .got(der.len().to_string()));
        }
        let certificate = Certificate::from_der(der, "certificate")?;
        // Whose key signed it is nobody's but its own: then its times are its holder's word.
        check_own_signature(&certificate)?;
        let value = certificate.extension(&DICE_CMW).ok_or_else(|| {
            Error::new("ra_tls.extension", "a certificate without evidence").expected("2.23.133.5.4.9")
        })?;
        Ok(Self {
            carried: Carried::parse(record(value, TYPE)?)?,
            start: certificate.start,
            end: certificate.end,
            public_key: certificate.public_key,
        })
    }

    /// Step 2: `now` (Unix seconds) is in its times, which are no more than a day.
    ///
    /// # Errors
    /// `ra_tls.times`.
    pub fn check_times(&self, now: i64) -> Result<(), Error> {
        if self.end - self.start > LONGEST {
            return Err(Error::new(TIMES, "the certificate lives too long")
                .expected(format!("at most {LONGEST} seconds"))
                .got((self.end - self.start).to_string()));
        }
        if !(self.start..=self.end).contains(&now) {
            return Err(Error::new(
                TIMES,
                "the certificate is not valid now (is this machine's clock right?)",
            )
            .expected(format!("{} to {}", time_text(self.start), time_text(self.end)))
            .got(time_text(now)));
        }
        Ok(())
    }
}

fn check_own_signature(certificate: &Certificate) -> Result<(), Error> {
    let point = certificate.public_key.strip_prefix(P256);
    let point = point.ok_or_else(|| Error::new(FORM, "the certificate's key is none of P-256"))?;
    let right = certificate.algorithm == ECDSA_SHA256 && certificate.issuer == certificate.subject;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    if !right || key.verify(&certificate.signed, &certificate.signature).is_err() {
        return Err(Error::new(FORM, "the certificate is not signed by its own key"));
    }
    Ok(())
}
