//! Verification of certificates by the evidence that they carry (spec/ra-tls.md, "By evidence"), in its numbered steps.
//!
//! 1  the form: signed by its own key, one extension, one record of our type        certificate.rs
//! 2  now is in the certificate's times, which are no more than a day               certificate.rs
//! 3  it is under the custodian that is wanted
//! 4  the evidence verifies, over this key, for this manifest                       evidence.rs
//! 5  runtime and manifest are wanted ones
//! 6  the platform is a wanted one, with what is asked of it                        asked.rs
//!
//! What is left to the caller: that the other side holds the certificate's key, which a TLS handshake proves ([`tls`]).
//!
//! [`tls`]: crate::tls

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use casemate_wire::encoding::digest_text;

use crate::asked::{check, excused, up_to_date};
use crate::tls::{CertificateVerifier, Judge};
use crate::{
    Asked, Carried, Claims, Endorsements, Error, Evidence, Expected, Platform, RaTlsCertificate, Roots, verify,
};

/// Adds what a verifier has of endorsements to those that came with evidence: which of two is newer, the verifiers see.
/// The crate `casemate-endorsements` does it from a folder, [`completed`](crate::completed) from anything else.
/// Each handshake that is verified waits for it.
pub trait Completing: fmt::Debug + Send + Sync {
    /// `came`, behind what there is for this evidence.
    fn completed(&self, evidence: &Evidence, came: &Endorsements) -> Endorsements;
}

/// Who may be on the other side: under which custodian, with which runtimes and launch manifests, on which platforms.
#[derive(Debug, Clone)]
pub struct AttestedPeer {
    /// Its identity, SHA-256 of its genesis record.
    pub custodian: [u8; 32],
    /// `sha384:…` or `sha256:…`, as claims write them.
    pub runtimes: BTreeSet<String>,
    /// Digests of launch manifests.
    pub manifests: BTreeSet<[u8; 32]>,
    /// With what is asked of each.
    pub platforms: BTreeMap<Platform, Asked>,
    /// Whom to trust.
    pub roots: Roots,
    /// The lowest numbers of lists and documents that are still believed: whoever keeps [`Claims::seen`] is not shown an
    /// older one again. With rustls that takes a [`Judge`] of one's own, which asks [`AttestedPeer::verify`] and keeps them.
    pub floors: BTreeMap<String, u64>,
    /// What there is of endorsements besides those that certificates carry. On a vendor's hardware they carry no
    /// revocation lists, so that without this they are refused.
    pub completing: Option<Arc<dyn Completing>>,
}

impl AttestedPeer {
    /// On any platform of which nothing has to be asked (so not on TDX, SGX or a TPM) and whose roots are trusted, with
    /// nothing waived and no list too old.
    #[must_use]
    pub fn new(
        custodian: [u8; 32],
        runtimes: impl IntoIterator<Item = String>,
        manifests: impl IntoIterator<Item = [u8; 32]>,
        roots: Roots,
    ) -> Self {
        Self {
            custodian,
            runtimes: runtimes.into_iter().collect(),
            manifests: manifests.into_iter().collect(),
            platforms: up_to_date(),
            roots,
            floors: BTreeMap::new(),
            completing: None,
        }
    }

    /// As rustls asks for it.
    #[must_use]
    pub fn into_verifier(self) -> CertificateVerifier<Self> {
        CertificateVerifier::new(self)
    }

    /// What the holder of this certificate's key (DER) is, at this time (Unix seconds).
    ///
    /// # Errors
    /// With the step that refuses.
    pub fn verify(&self, der: &[u8], now: i64) -> Result<Claims, Error> {
        // 1. The form: signed by its own key, one extension, one record of our type, one spelling.
        let certificate = RaTlsCertificate::read(der)?;
        // 2. The time, and that it was not meant for longer than a day.
        certificate.check_times(now)?;
        // 3. Under the custodian that is wanted.
        let carried = &certificate.carried;
        if carried.custodian != self.custodian {
            return Err(other("ra_tls.custodian", "custodian")
                .expected(digest_text(&self.custodian))
                .got(digest_text(&carried.custodian)));
        }
        // 4. The evidence: genuine, for this purpose, this key and this manifest.
        let expected = Expected {
            report_data: carried.report_data(&certificate.public_key),
            manifest: carried.manifest,
            floors: self.floors.clone(),
            max_vmpl: 0,
            excused: excused(&self.platforms),
        };
        let claims = verify(
            &carried.evidence,
            &self.endorsements(carried),
            &self.roots,
            now,
            &expected,
        )?;
        // 5. What was launched is what is wanted.
        self.check_launched(&claims)?;
        // 6. On a platform that is wanted, with what is asked of it.
        check(&self.platforms, &claims, now)?;
        Ok(claims)
    }

    /// What came, and what the caller has.
    fn endorsements<'a>(&self, carried: &'a Carried) -> Cow<'a, Endorsements> {
        match &self.completing {
            None => Cow::Borrowed(&carried.endorsements),
            Some(ours) => Cow::Owned(ours.completed(&carried.evidence, &carried.endorsements)),
        }
    }

    fn check_launched(&self, claims: &Claims) -> Result<(), Error> {
        if !self.runtimes.contains(&claims.runtime_measurement) {
            let wanted: Vec<_> = self.runtimes.iter().map(String::as_str).collect();
            return Err(other("ra_tls.runtime", "runtime")
                .expected(wanted.join(" or "))
                .got(&claims.runtime_measurement));
        }
        if !self.manifests.contains(&claims.manifest) {
            let wanted: Vec<_> = self.manifests.iter().map(digest_text).collect();
            return Err(other("ra_tls.manifest", "manifest")
                .expected(wanted.join(" or "))
                .got(digest_text(&claims.manifest)));
        }
        Ok(())
    }
}

impl Judge for AttestedPeer {
    type Error = Error;

    fn judge(&self, certificate: &[u8], now: i64) -> Result<(), Error> {
        self.verify(certificate, now).map(drop)
    }
}

fn other(step: &'static str, what: &str) -> Error {
    Error::new(step, format!("genuine, but of another {what}"))
}
