//! From Intel's root to the key that certifies the quoting enclave of one machine: the PCK certificate in a quote.

use std::sync::LazyLock;

use super::machine::{Machine, SGX_EXTENSIONS};
use super::signing::{Point, is_signed_by};
use crate::x509::{Certificate, der_parts};
use crate::{Error, Roots};

const CHAIN: &str = "evidence.chain";
const PCK: &str = "evidence.pck";
const ROOT: &str = "evidence.root";

/// Intel SGX Root CA: the same file that the Python package has.
const SHIPPED: &[u8] = include_bytes!("../../../../src/casemate/attestation/platforms/intel/roots/sgx-root.pem");

static SHIPPED_ROOT: LazyLock<Option<Certificate>> = LazyLock::new(|| {
    // A file that could not be read would trust nobody; a test looks.
    Certificate::parse(SHIPPED, "shipped root").ok()
});

const PLATFORM_CA: &str = "Intel SGX PCK Platform CA";
/// By the common name of what certified the machine.
const AUTHORITIES: [(&str, &str); 2] = [(PLATFORM_CA, "platform"), ("Intel SGX PCK Processor CA", "processor")];
const LEAF: &str = "Intel SGX PCK Certificate";
const MAX_PEM_BYTES: usize = 64 * 1024;
/// Of the three in a quote, which have 4 KB.
const MAX_CHAIN_BYTES: usize = 8 * 1024;

/// `point` of the machine's certificate signs reports of the quoting enclave. `kind` of the authority is `platform` or
/// `processor`.
#[derive(Debug)]
pub struct PckChain {
    pub root: Certificate,
    pub authority: Certificate,
    pub leaf: Certificate,
    pub point: Point,
    pub machine: Machine,
    pub kind: &'static str,
}

/// None where the caller does not trust Intel.
pub fn trusted_root(roots: &Roots) -> Option<&'static Certificate> {
    SHIPPED_ROOT.as_ref().filter(|_| roots.intel)
}

/// `evidence.root` where there is none.
pub fn required_root(root: Option<&Certificate>) -> Result<&Certificate, Error> {
    root.ok_or_else(untrusted)
}

/// `pem`: machine, authority, root. Of the root that the caller trusts its key counts, not its bytes.
pub fn verified_chain(pem: &[u8], trusted: &Certificate) -> Result<PckChain, Error> {
    let parts = pem_parts_up_to(pem, MAX_CHAIN_BYTES)?;
    let parts = parts
        .iter()
        .map(|der| Certificate::parse(der, "certificate of the quote"));
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let [leaf, authority, root] = <[Certificate; 3]>::try_from(parts).map_err(|parts| {
        bad(PCK, "a quote brings three certificates")
            .expected("machine, authority, root")
            .got(parts.len().to_string())
    })?;
    if !is_root(&root, trusted) {
        return Err(untrusted().got(root.fingerprint()));
    }
    let known = AUTHORITIES.iter().find(|(name, _)| *name == authority.common_name);
    let (_, kind) = known.ok_or_else(|| bad(CHAIN, "no authority for PCK certificates"))?;
    check_authority(&authority, &root)?;
    if leaf.common_name != LEAF || !is_signed_by(&leaf, &authority) {
        return Err(bad(CHAIN, "the authority did not sign the machine's certificate"));
    }
    let key = Point::of_certificate(&leaf).filter(|_| !leaf.authority && !leaf.signs_certificates);
    let point = key.ok_or_else(|| bad(PCK, "the machine's certificate is no P-256 key that signs reports"))?;
    let machine = machine_of(&leaf)?;
    Ok(PckChain {
        root,
        authority,
        leaf,
        point,
        machine,
        kind,
    })
}

/// What a PCK certificate says of its machine.
pub fn machine_of(leaf: &Certificate) -> Result<Machine, Error> {
    let extension = leaf.extension(&SGX_EXTENSIONS);
    Machine::parse(extension.ok_or_else(|| bad(PCK, "the machine's certificate does not say which machine"))?)
}

/// Whether a machine's certificate names that authority as the one that certified it, and not the other.
pub fn is_of_a_platform(leaf: &Certificate) -> bool {
    leaf.issuer.says(PLATFORM_CA)
}

/// The trusted one, or one that Intel issued for the same key: both sign themselves.
fn is_root(certificate: &Certificate, trusted: &Certificate) -> bool {
    Point::of_certificate(certificate) == Point::of_certificate(trusted)
        && certificate.subject == trusted.subject
        && is_signed_by(certificate, certificate)
}

fn check_authority(authority: &Certificate, root: &Certificate) -> Result<(), Error> {
    if root.path_length == Some(0) || !(root.authority && root.signs_certificates && root.signs_lists) {
        return Err(bad(CHAIN, "the root may not sign authorities and revocation lists"));
    }
    if !is_signed_by(authority, root) {
        return Err(bad(CHAIN, "the root did not sign the authority's certificate"));
    }
    if !(authority.authority && authority.signs_certificates && authority.signs_lists) {
        return Err(bad(
            CHAIN,
            "the authority may not sign certificates and revocation lists",
        ));
    }
    Ok(())
}

/// DER of each certificate, where nothing else is between them. Quoting libraries of C end the text with a zero.
pub fn pem_parts(pem: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    pem_parts_up_to(pem, MAX_PEM_BYTES)
}

fn pem_parts_up_to(pem: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Error> {
    if pem.len() > most {
        return Err(bad(PCK, "too many certificates")
            .expected(format!("at most {most} bytes"))
            .got(pem.len().to_string()));
    }
    der_parts(pem.strip_suffix(b"\0").unwrap_or(pem)).ok_or_else(|| bad(PCK, "certificates that are no PEM"))
}

fn untrusted() -> Error {
    bad(ROOT, "no root that is trusted here stands behind this quote")
}

fn bad(step: &'static str, reason: &str) -> Error {
    Error::new(step, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_intels() {
        let root = trusted_root(&Roots::shipped()).unwrap();
        assert_eq!(root.common_name, "Intel SGX Root CA");
        assert_eq!(
            root.fingerprint(),
            "sha256:44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"
        );
        assert!(is_root(root, root));
    }

    #[test]
    fn whoever_does_not_trust_intel_has_no_root() {
        let others = Roots {
            intel: false,
            ..Roots::shipped()
        };
        assert_eq!(required_root(trusted_root(&others)).unwrap_err().step, ROOT);
    }
}
