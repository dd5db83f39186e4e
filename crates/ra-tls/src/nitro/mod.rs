//! Verification of attestation documents of AWS Nitro Enclaves, in the numbered steps of spec/evidence.md.
//!
//!  1  the document is one, with nothing in it that is not known                     document.rs
//!  2  its bundle begins with a root that the caller trusts                          chain.rs
//!  3  root → … → the module's key: each signed by the one before, with ES384,
//!     and allowed to do what it does here                                           chain.rs
//!  4  certificates cover the time                                                   chain.rs
//!  5  the document is signed by that key
//!  6  the enclave was not started in debug mode: its PCRs are measured
//!  7  PCR16 was extended by the expected manifest, once, and user_data is the
//!     expected one
//!
//! The runtime measurement is PCR0, the whole image of the enclave. There are no security versions to look at: what AWS
//! runs below an enclave is not in the document. Its certificates are of a few hours, so there are no revocation lists.

mod chain;
mod document;

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{Context, SHA384};

use crate::expectations::{check_expected, hex};
use crate::x509::Certificate;
use crate::{Claims, Error, Evidence, Expected, Platform};
use chain::Chain;
pub use chain::shipped_root;
use document::{Document, PCR_BYTES};

/// The first that belongs to whoever runs in the enclave.
const MANIFEST_PCR: u8 = 16;
/// The image, its kernel and what boots from it, and the rest of it.
const MEASURED: [u8; 3] = [0, 1, 2];
const ZERO: [u8; PCR_BYTES] = [0; PCR_BYTES];

/// Whether it is a document, whoever signed it.
pub fn parse(document: &[u8]) -> Result<(), Error> {
    Document::parse(document).map(drop)
}

/// `root` is the one that the caller trusts, if any.
pub fn verify(root: Option<&Certificate>, evidence: &Evidence, at: i64, expected: &Expected) -> Result<Claims, Error> {
    // 1. A document that is understood in every part.
    let document = Document::parse(&evidence.report)?;
    // 2, 3. Its key, from a trusted root.
    let chain = Chain::verified(&document.bundle, document.certificate, root)?;
    // 4. All of it at this time.
    chain.check_times(at)?;
    // 5. The module said it.
    check_signature(&document, &chain)?;
    // 6. Nobody can look in from outside.
    check_debug(&document)?;
    // 7. For this manifest, this caller, this moment.
    let said = document.user_data.unwrap_or_default();
    check_expected(
        "evidence.manifest",
        [&pcr_of(&expected.manifest), document.pcr(MANIFEST_PCR)],
        [&expected.report_data, said],
    )?;
    Ok(Claims {
        platform: Platform::Nitro,
        product: "nitro",
        runtime_measurement: format!("sha384:{}", hex(document.pcr(0))),
        manifest: expected.manifest,
        report_data: said.to_vec(),
        hardware: document.module.as_bytes().to_vec(),
        tcb: BTreeMap::new(),
        // AWS gives no verdict.
        tcb_status: None,
        advisories: BTreeSet::new(),
        values: values(&document),
        lacks: BTreeSet::new(),
        seen: BTreeMap::new(),
        chosen: BTreeMap::new(),
        vmpl: None,
        verified_at: at,
    })
}

/// What PCR16 is once it was extended by a manifest's digest (Nitro Secure Module, ExtendPCR).
fn pcr_of(manifest: &[u8; 32]) -> Vec<u8> {
    let mut context = Context::new(&SHA384);
    context.update(&ZERO);
    context.update(manifest);
    context.finish().as_ref().to_vec()
}

fn check_signature(document: &Document<'_>, chain: &Chain) -> Result<(), Error> {
    chain.key.verify_sig(&document.signed, document.signature).map_err(|_| {
        let reason = "the document is not signed by the certified key: it was changed, or its certificate is another \
                          module's";
        Error::new("evidence.signature", reason)
    })
}

fn check_debug(document: &Document<'_>) -> Result<(), Error> {
    if MEASURED.iter().any(|number| document.pcr(*number) == ZERO) {
        let reason = "started in debug mode: the host can read its console, and nothing is measured";
        return Err(Error::new("evidence.debug", reason));
    }
    Ok(())
}

/// What can be asked for (`casemate.platforms`): PCR4 is the parent instance, PCR8 who signed the image.
fn values(document: &Document<'_>) -> BTreeMap<String, String> {
    let registers = (0..MANIFEST_PCR).map(|number| (format!("pcr{number}"), hex(document.pcr(number))));
    registers
        .chain([("module".to_owned(), document.module.to_owned())])
        .collect()
}

impl Document<'_> {
    /// A register that the document leaves out was never extended.
    fn pcr(&self, number: u8) -> &[u8] {
        self.pcrs.get(&number).copied().unwrap_or(&ZERO)
    }
}

#[cfg(test)]
mod tests;
