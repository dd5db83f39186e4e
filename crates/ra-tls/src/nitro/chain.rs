//! From AWS's root to the key of one enclave's module.

use std::sync::LazyLock;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, UnparsedPublicKey};

use crate::keys::{P384, point_on};
use crate::x509::{Certificate, time_text};
use crate::{Error, Roots};

/// AWS Nitro Enclaves Root G1: a public certificate, the same file that the Python package has.
const SHIPPED: &[u8] = include_bytes!("../../../../src/casemate/attestation/platforms/nitro/roots/aws-g1.pem");

/// AlgorithmIdentifier of ecdsa-with-SHA384, which has no parameters (RFC 5758, section 3.2).
const ALGORITHM: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03";

/// None of a file that could not be read, which would refuse every document; a test reads it.
static SHIPPED_ROOT: LazyLock<Option<Certificate>> = LazyLock::new(|| Certificate::parse(SHIPPED, "shipped root").ok());

/// The root that is part of this crate, where the caller trusts it.
pub fn shipped_root(roots: &Roots) -> Option<&'static Certificate> {
    SHIPPED_ROOT.as_ref().filter(|_| roots.aws)
}

/// `certificates` from the root down; `key`, the last one's, signs documents.
#[derive(Debug)]
pub struct Chain {
    certificates: Vec<Certificate>,
    pub key: ParsedPublicKey,
}

impl Chain {
    /// Steps 2 and 3: root, what lies between, and the key's certificate; each signed by the one before. Times are not
    /// looked at.
    ///
    /// `root` is the one that the caller trusts; `bundle` begins with it.
    pub fn verified(bundle: &[&[u8]], leaf: &[u8], root: Option<&Certificate>) -> Result<Self, Error> {
        let root = root.ok_or_else(strange)?;
        let parsed = |data, what| Certificate::parse(data, what).and_then(|read| read.with_key(what));
        let authorities = bundle.iter().map(|data| parsed(data, "certificate of the bundle"));
        let leaf = std::iter::once_with(|| parsed(leaf, "document's certificate"));
        let certificates = authorities.chain(leaf).collect::<Result<Vec<_>, _>>()?;
        // 2. It begins where the caller's trust does.
        if certificates.first().is_none_or(|first| first.der != root.der) {
            return Err(strange());
        }
        // 3. Each by the one before, and the last one is a key and no authority.
        for (depth, pair) in certificates.windows(2).enumerate() {
            let [issuer, certificate] = pair else { continue };
            check_authority(issuer, certificates.len() - 2 - depth)?;
            if certificate.issuer != issuer.subject || !is_signed_by(certificate, issuer) {
                return Err(bad("evidence.chain", "a certificate that the one before did not sign"));
            }
        }
        let last = certificates.last().filter(|last| !last.authority);
        let key = last.and_then(document_key).ok_or_else(|| {
            let reason = "the document's certificate is no P-384 key that signs documents";
            bad("evidence.report_key", reason)
        })?;
        Ok(Self { certificates, key })
    }

    /// Step 4.
    pub fn check_times(&self, at: i64) -> Result<(), Error> {
        for certificate in &self.certificates {
            if !(certificate.start..=certificate.end).contains(&at) {
                let [start, end] = [certificate.start, certificate.end].map(time_text);
                let reason = format!(
                    "{} does not hold at this time: ask the enclave for a new document",
                    certificate.common_name
                );
                return Err(bad("evidence.time", reason)
                    .expected(format!("{start} to {end}"))
                    .got(time_text(at)));
            }
        }
        Ok(())
    }
}

/// `below`: how many authorities follow it.
fn check_authority(issuer: &Certificate, below: usize) -> Result<(), Error> {
    if issuer.may_certify(below) {
        return Ok(());
    }
    Err(bad(
        "evidence.chain",
        "a certificate of the bundle may not sign the next one",
    ))
}

/// With ES384, as it says.
fn is_signed_by(certificate: &Certificate, issuer: &Certificate) -> bool {
    let point = point_on(P384, &issuer.public_key).filter(|_| certificate.algorithm == ALGORITHM);
    point.is_some_and(|point| {
        let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, point);
        key.verify(&certificate.signed, &certificate.signature).is_ok()
    })
}

/// In documents, signatures are r ‖ s (RFC 9053, section 2.1).
fn document_key(certificate: &Certificate) -> Option<ParsedPublicKey> {
    let point = point_on(P384, &certificate.public_key)?;
    ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).ok()
}

fn strange() -> Error {
    bad(
        "evidence.root",
        "no root that is trusted here stands behind this document",
    )
}

fn bad(step: &'static str, reason: impl Into<String>) -> Error {
    Error::new(step, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nitro::document::Document;
    use crate::vectors::{ours, read};

    #[test]
    fn the_root_is_awss_and_trusted_by_whoever_says_so() {
        let root = shipped_root(&Roots::shipped()).unwrap();
        assert_eq!(
            root.fingerprint(),
            "sha256:641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
        );
        let others = Roots {
            aws: false,
            ..Roots::shipped()
        };
        assert!(shipped_root(&others).is_none());
    }

    #[test]
    fn each_is_signed_by_the_one_before() {
        let data = read(&ours("nitro/documents/right.cose"));
        let document = Document::parse(&data).unwrap();
        let root = Certificate::parse(document.bundle[0], "root").unwrap();
        let verified = |bundle: &[&[u8]], leaf: &[u8]| {
            let chain = Chain::verified(bundle, leaf, Some(&root));
            chain.map(drop).map_err(|error| error.step)
        };
        assert_eq!(verified(&document.bundle, document.certificate), Ok(()));
        // The last byte of a certificate is one of its signature.
        let changed = |der: &[u8]| {
            let mut der = der.to_vec();
            *der.last_mut().unwrap() ^= 1;
            der
        };
        let leaf = changed(document.certificate);
        assert_eq!(verified(&document.bundle, &leaf), Err("evidence.chain"));
        // A point that is not on the curve is no key.
        let point = point_on(
            P384,
            &Certificate::parse(document.certificate, "it").unwrap().public_key,
        )
        .unwrap()
        .to_vec();
        let mut parts = document.certificate.windows(point.len());
        let last = parts.position(|part| part == point).unwrap() + point.len() - 1;
        let mut leaf = document.certificate.to_vec();
        leaf[last] ^= 1;
        assert_eq!(verified(&document.bundle, &leaf), Err("evidence.certificates"));
        let authority = changed(document.bundle[1]);
        let mut bundle = document.bundle.clone();
        bundle[1] = &authority;
        assert_eq!(verified(&bundle, document.certificate), Err("evidence.chain"));
    }

    #[test]
    fn an_authority_says_that_it_is_one() {
        let right = shipped_root(&Roots::shipped()).unwrap().clone();
        let may_sign = |change: fn(&mut Certificate), below| {
            let mut issuer = right.clone();
            change(&mut issuer);
            check_authority(&issuer, below).is_ok()
        };
        assert!(may_sign(|_| {}, 7));
        assert!(may_sign(|issuer| issuer.path_length = Some(1), 1));
        assert!(!may_sign(|issuer| issuer.path_length = Some(1), 2));
        assert!(!may_sign(|issuer| issuer.authority = false, 0));
        assert!(!may_sign(|issuer| issuer.signs_certificates = false, 0));
    }
}
