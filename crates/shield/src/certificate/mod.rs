//! TLS certificates over evidence, for the workload (spec/ra-tls.md): of one key, which was made here and which nobody
//! else in the world has.

mod folder;
mod form;
mod renewing;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use casemate_custodian_client::{AttestedKeys, clock};
use casemate_evidence::{Evidence, Platform, Purpose, report_data};
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::digests;
use crate::failure::{Exit, Failure};

pub use folder::Folder;
use form::MAX_CERTIFICATE;
pub use renewing::Certified;

/// A verifier's clock may be that much behind ours.
const SKEW: Duration = Duration::from_secs(300);
/// Longest time between the two ends of a certificate (spec/ra-tls.md).
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Characters of a line of PEM (RFC 7468, section 2).
const LINE: usize = 64;

/// A key and its first certificate, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// PKCS #8.
    pub key: Zeroizing<Vec<u8>>,
    /// X.509.
    pub certificate: Vec<u8>,
}

/// What a certificate says of its holder besides evidence.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// Identity of the custodian that released to it.
    pub custodian: [u8; 32],
    /// Digest of the launch manifest.
    pub manifest: [u8; 32],
    /// The keys that the release was asked with.
    pub keys: AttestedKeys,
}

/// The custodian's time, kept by a clock that nobody can set: the host could have certificates made for days to come.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// What the custodian said, after the epoch.
    said: Duration,
    /// When it was heard, on [`clock::since_boot`].
    heard: Duration,
}

/// Makes certificates of one key, each over new evidence.
struct Maker {
    platform: Box<dyn Platform + Send>,
    pair: EcdsaKeyPair,
    /// SubjectPublicKeyInfo, DER.
    public: Vec<u8>,
    holder: Holder,
    time: Time,
    lifetime: Duration,
}

/// A certificate that was made.
#[derive(Debug)]
struct Issued {
    /// X.509, PEM.
    certificate: Vec<u8>,
    /// When half of the time is over for which it was made, after the epoch.
    half: Duration,
}

impl Maker {
    /// With a new key, and that key, PEM.
    ///
    /// # Errors
    /// [`Exit::Platform`] when there is no randomness.
    fn new(
        platform: Box<dyn Platform + Send>,
        holder: Holder,
        time: Time,
        lifetime: Duration,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), Failure> {
        let no_key = |_| Failure::new(Exit::Platform, "no key for a certificate can be made");
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(no_key)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(no_key)?;
        let public = public.as_ref().to_vec();
        // Wiped when it is dropped.
        let private = pair.to_pkcs8v1().map_err(no_key)?;
        let key = pem("PRIVATE KEY", private.as_ref());
        let maker = Self {
            platform,
            pair,
            public,
            holder,
            time,
            lifetime,
        };
        Ok((maker, key))
    }

    /// A certificate over evidence of now.
    ///
    /// # Errors
    /// [`Exit::Platform`], when there is no evidence, or more than a certificate holds.
    fn issue(&mut self) -> Result<Issued, Failure> {
        let Holder {
            custodian,
            manifest,
            keys,
        } = &self.holder;
        let nonce = Sha256::digest(&self.public).into();
        let data = report_data(
            Purpose::RaTls,
            custodian,
            &nonce,
            &keys.signing_key,
            &keys.hpke_key,
            manifest,
        );
        let evidence = self.platform.evidence(&data).map_err(Failure::because(
            Exit::Platform,
            "the platform gives no evidence for a certificate",
        ))?;
        let now = self.time.now();
        let start = now.saturating_sub(SKEW);
        let end = (now + self.lifetime).min(start + LONGEST);
        let sign = |message: &[u8]| form::sign(&self.pair, message);
        let made = |evidence: &Evidence| form::certificate(&self.public, &self.carried(evidence), start..end, &sign);
        let mut certificate = made(&evidence)?;
        if certificate.len() > MAX_CERTIFICATE && evidence.log.is_some() {
            // Its registers speak for themselves.
            certificate = made(&Evidence { log: None, ..evidence })?;
        }
        if certificate.len() > MAX_CERTIFICATE {
            return Err(Failure::new(
                Exit::Platform,
                format!("the platform's evidence is too large for a certificate of {MAX_CERTIFICATE} bytes"),
            ));
        }
        Ok(Issued {
            certificate: pem("CERTIFICATE", &certificate).to_vec(),
            half: now + self.lifetime / 2,
        })
    }

    /// Canonical JSON (RFC 8785): names in order, and texts that need no escape.
    fn carried(&self, evidence: &Evidence) -> Vec<u8> {
        let Holder {
            custodian,
            manifest,
            keys,
        } = &self.holder;
        let carried = json!({
            "casemate_ra_tls": 1,
            "custodian": digests::text(custodian),
            "endorsements": evidence.endorsements_json(),
            "evidence": evidence.evidence_json(),
            "hpke_key": format!("x25519:{}", URL_SAFE_NO_PAD.encode(keys.hpke_key)),
            "manifest": digests::text(manifest),
            "signing_key": format!("ed25519:{}", URL_SAFE_NO_PAD.encode(keys.signing_key)),
        });
        carried.to_string().into_bytes()
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Maker")
            .field("holder", &self.holder)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// RFC 7468; the text is wiped when it is dropped, since it may be a key's.
fn pem(label: &str, der: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = Zeroizing::new(STANDARD.encode(der));
    // Of its whole size at once: what grows leaves copies behind.
    let mut pem = Zeroizing::new(Vec::with_capacity(
        text.len() + text.len() / LINE + 2 * label.len() + 40,
    ));
    pem.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
    for line in text.as_bytes().chunks(LINE) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(format!("-----END {label}-----\n").as_bytes());
    pem
}

impl Time {
    /// Just heard: seconds after the epoch.
    #[must_use]
    pub fn heard(said: u64) -> Self {
        Self {
            said: Duration::from_secs(said),
            heard: clock::since_boot(),
        }
    }

    fn now(self) -> Duration {
        self.said + clock::since_boot().saturating_sub(self.heard)
    }
}

#[cfg(test)]
mod tests;
