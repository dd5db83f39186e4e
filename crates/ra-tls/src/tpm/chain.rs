//! From a root that the caller trusts to the certificate of a TPM's key.
//!
//! Google signs with RSA keys of at least 2,048 bits, RSASSA-PKCS1-v1_5 and SHA-256; each of its authorities publishes a
//! list of what it revoked.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use x509_cert::der::asn1::ObjectIdentifier;

use super::machine::{MACHINE, certified_machine};
use crate::keys::rsa_key;
use crate::revocation::{RevocationList, check_floor, newest_lists};
use crate::x509::{Certificate, check_covers};
use crate::{Endorsements, Error, Roots};

/// A chain of Google's has 5 KB.
const MAX_CERTIFICATES_BYTES: usize = 16 * 1024;
/// Subject alternative names of a TPM's certificate, critical where its subject is empty: maker and model of the TPM (TCG
/// EK Credential Profile 2.5, section 3.1.2). Who the key belongs to is judged by the key.
pub const UNDERSTOOD: [ObjectIdentifier; 1] = [ObjectIdentifier::new_unwrap("2.5.29.17")];
/// That many at most above a key: Google has two.
const AUTHORITIES: usize = 4;
const RSA_BITS: usize = 2048;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Google's, for TPMs, valid from 2018 to 2118 and from 2022 to 2122: public certificates, the same files that the Python
/// package has.
const SHIPPED: [&[u8]; 2] = [
    include_bytes!("../../../../src/casemate/attestation/platforms/tpm/roots/google-ek-2018.pem"),
    include_bytes!("../../../../src/casemate/attestation/platforms/tpm/roots/google-ek-ak-2022.pem"),
];

static SHIPPED_ROOTS: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    // A file that could not be read would be missing here, and what it is the root of refused; a test counts them.
    let read = SHIPPED.iter().map(|file| Certificate::parse(file, "shipped root"));
    read.filter_map(Result::ok).collect()
});

/// The roots that are part of this crate, where the caller trusts them.
pub fn shipped_roots(roots: &Roots) -> &'static [Certificate] {
    if roots.google { &SHIPPED_ROOTS } else { &[] }
}

/// One that leads to a key.
#[derive(Debug)]
pub struct Chain {
    /// From the root down to the key's, with the list of each that has one.
    links: Vec<(Certificate, Option<RevocationList>)>,
    /// Not each authority has a list, which the caller excused.
    pub lacks_lists: bool,
    /// Which one the key was certified for: names and values.
    pub machine: Vec<(&'static str, String)>,
}

impl Chain {
    /// The chain to the key of `spki` (DER) from one of `roots`, whatever the time is.
    pub fn verified(
        endorsements: &Endorsements,
        spki: &[u8],
        roots: &[Certificate],
        without_lists: bool,
    ) -> Result<Self, Error> {
        let brought = certificates_in(&endorsements.certificates)?;
        let leaf = brought.iter().find(|one| one.public_key == spki).ok_or_else(|| {
            let reason = "no certificate of the key that made the quote; one of another key of the TPM (EK) says nothing \
                          of it";
            bad("evidence.certificates", reason)
        })?;
        if leaf.authority || leaf.signs_certificates || !leaf.signs_data {
            let reason = "the key's certificate is none of a key that signs quotes";
            return Err(bad("evidence.chain", reason));
        }
        let chain = up_from(leaf, &brought, roots)?;
        let (leaf, authorities) = chain.split_last().ok_or_else(strange)?;
        let lists = newest_lists(&endorsements.crls, authorities, holds)?;
        let lacking = authorities.iter().zip(&lists).filter(|(_, list)| list.is_none());
        let lacking: Vec<_> = lacking.map(|(one, _)| one.common_name.as_str()).collect();
        if !lacking.is_empty() && !without_lists {
            let reason = "no revocation list of an authority of the chain: absence never means acceptance";
            return Err(bad("evidence.crl", reason).expected(lacking.join(", ")));
        }
        let mut below = authorities.iter().skip(1).chain([leaf]);
        if below.any(|one| lists.iter().flatten().any(|list| list.revokes(one))) {
            return Err(bad("evidence.revoked", "a certificate of the chain is revoked"));
        }
        let lacks_lists = !lacking.is_empty();
        let machine = certified_machine(leaf.extension(&MACHINE))?;
        let lists = lists.into_iter().chain([None]);
        Ok(Self {
            links: chain.iter().copied().cloned().zip(lists).collect(),
            lacks_lists,
            machine,
        })
    }

    /// Certificates and lists cover `at`.
    pub fn check_times(&self, at: i64) -> Result<(), Error> {
        for (certificate, _) in &self.links {
            let name = match certificate.common_name.as_str() {
                "" => "key's certificate",
                name => name,
            };
            check_covers(certificate.start, certificate.end, at, name)?;
        }
        for (_, list) in self.lists() {
            check_covers(list.start, list.end, at, "revocation list")?;
        }
        Ok(())
    }

    /// No list is older than one that was seen before, or gone.
    pub fn check_floors(&self, floors: &BTreeMap<String, u64>) -> Result<(), Error> {
        let authorities = self.links.split_last().map_or(&[][..], |(_, authorities)| authorities);
        for (authority, list) in authorities {
            check_floor(list.as_ref(), floors.get(&authority.fingerprint()).copied())?;
        }
        Ok(())
    }

    /// By the fingerprints of the authorities that have one.
    pub fn lists(&self) -> impl Iterator<Item = (String, &RevocationList)> {
        let all = self.links.iter();
        all.filter_map(|(authority, list)| list.as_ref().map(|list| (authority.fingerprint(), list)))
    }
}

/// Of PEM, one after the other, with nothing but blanks between.
fn certificates_in(data: &[u8]) -> Result<Vec<Certificate>, Error> {
    if data.len() > MAX_CERTIFICATES_BYTES {
        return Err(bad("evidence.certificates", "too many certificates")
            .expected(format!("at most {MAX_CERTIFICATES_BYTES} bytes"))
            .got(data.len().to_string()));
    }
    let parts = parts(data).filter(|parts| !parts.is_empty());
    let parts = parts.ok_or_else(|| bad("evidence.certificates", "something else than certificates in PEM"))?;
    parts.into_iter().map(certificate).collect()
}

/// What stands between the frames of certificates, with them.
fn parts(data: &[u8]) -> Option<Vec<&str>> {
    // White space of ASCII, as Python's `bytes.strip` has it.
    let is_blank = |letter| matches!(letter, ' ' | '\t'..='\r');
    let mut rest = std::str::from_utf8(data).ok()?.trim_matches(is_blank);
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = BEGIN.len() + rest.strip_prefix(BEGIN)?.find(END)? + END.len();
        let (part, behind) = rest.split_at_checked(length)?;
        found.push(part);
        rest = behind.trim_start_matches(is_blank);
    }
    Some(found)
}

fn certificate(pem: &str) -> Result<Certificate, Error> {
    Certificate::parse_where(&UNDERSTOOD, pem.as_bytes(), "certificate")?.with_key("certificate")
}

/// From the root down. Each is signed by the one above, which may sign certificates and that many below it.
fn up_from<'a>(
    leaf: &'a Certificate,
    brought: &'a [Certificate],
    roots: &'a [Certificate],
) -> Result<Vec<&'a Certificate>, Error> {
    let (mut up, mut last) = (vec![leaf], leaf);
    for below in 0..AUTHORITIES {
        let all = roots.iter().chain(brought);
        let mut named = all.filter(|one| one.subject == last.issuer).peekable();
        if named.peek().is_none() {
            break;
        }
        let above = named.find(|one| holds(one, &last.signed, &last.signature));
        let above = above.ok_or_else(|| {
            let reason = "a certificate that the authority it names did not sign";
            bad("evidence.chain", reason)
        })?;
        check_authority(above, below)?;
        up.push(above);
        if roots.iter().any(|root| root.der == above.der) {
            up.reverse();
            return Ok(up);
        }
        last = above;
    }
    Err(strange().got(&last.common_name))
}

/// `below`: how many authorities follow it.
fn check_authority(issuer: &Certificate, below: usize) -> Result<(), Error> {
    if issuer.may_certify(below) {
        return Ok(());
    }
    let reason = "a certificate of the chain may not sign the next one";
    Err(bad("evidence.chain", reason).got(&issuer.common_name))
}

/// As Google signs, whatever the bytes say of their algorithm.
fn holds(issuer: &Certificate, signed: &[u8], signature: &[u8]) -> bool {
    let key = rsa_key(&issuer.public_key).filter(|key| key.bits >= RSA_BITS);
    key.is_some_and(|key| {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.der)
            .verify(signed, signature)
            .is_ok()
    })
}

fn strange() -> Error {
    bad("evidence.root", "no root that is trusted here stands behind this key")
}

fn bad(step: &'static str, reason: &str) -> Error {
    Error::new(step, reason)
}
