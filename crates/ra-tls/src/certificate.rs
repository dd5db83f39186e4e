//! Certificates of the form of spec/ra-tls.md: read, held against their own key, and against their times.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use casemate_wire::certificate::{EXTENSION, Found, read};

use crate::Error;
use crate::carried::{Carried, TYPE};
use crate::cmw::record;
use crate::x509::time_text;

/// More does not fit into the handshake message of some implementations.
pub const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;
/// Longest life of a certificate, in seconds: its evidence is as old as it is, and says nothing of when it was made.
pub const LONGEST: i64 = 24 * 60 * 60;

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
    /// Step 1: the form. Signed by its own key, one record of our type, one spelling of all.
    ///
    /// # Errors
    /// `evidence.certificates`, `ra_tls.extension`, `evidence.cmw`, `evidence.cbor`, `ra_tls.type`, `ra_tls.form`.
    pub fn read(der: &[u8]) -> Result<Self, Error> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(Error::new(FORM, "the certificate is too large")
                .expected(format!("at most {MAX_CERTIFICATE_BYTES} bytes"))
                .got(der.len().to_string()));
        }
        if !der.windows(EXTENSION.len()).any(|window| window == EXTENSION) {
            return Err(Error::new("ra_tls.extension", "nothing in it carries evidence").expected("2.23.133.5.4.9"));
        }
        let found = read(der).ok_or_else(|| {
            Error::new(
                FORM,
                "the certificate is not of the one form that certificates over evidence have",
            )
            .expected("spec/ra-tls.md, \"Certificate\"")
        })?;
        // Whose key signed it is nobody's but its own: then its times are its holder's word.
        check_own_signature(&found)?;
        let form = found.form;
        Ok(Self {
            carried: Carried::parse(record(form.value, TYPE)?)?,
            start: form.start,
            end: form.end,
            public_key: form.public_key.to_vec(),
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

fn check_own_signature(found: &Found<'_>) -> Result<(), Error> {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, found.form.point())
        .verify(&found.signed, found.signature)
        .map_err(|_| Error::new(FORM, "the certificate is not signed by its own key"))
}
