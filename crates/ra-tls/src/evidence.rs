//! The one door: evidence in, [`Claims`] out, or an [`Error`] that names the step.
//!
//! What the caller still must do: compute the report data with the right purpose, and judge the claims. Genuine evidence
//! of the wrong workload verifies.

use crate::{Claims, Endorsements, Error, Evidence, Expected, Format, Roots, nitro, sev_snp, sgx, tdx};

/// Verifies evidence at a time (Unix seconds), by spec/evidence.md.
///
/// # Errors
/// The step that refuses. `evidence.format` for platforms that this crate does not verify: they are refused whole.
pub fn verify(
    evidence: &Evidence,
    endorsements: &Endorsements,
    roots: &Roots,
    at: i64,
    expected: &Expected,
) -> Result<Claims, Error> {
    match evidence.format {
        Format::SevSnp => sev_snp::verify(evidence, endorsements, roots, at, expected),
        Format::Sgx => sgx::verify(evidence, endorsements, roots, at, expected),
        Format::Tdx => tdx::verify(evidence, endorsements, roots, at, expected),
        Format::Nitro => nitro::verify(evidence, roots, at, expected),
        Format::Tpm => Err(Error::new(
            "evidence.format",
            "evidence of this platform is not verified by this client",
        )
        .expected("sev-snp-report, sgx-quote, tdx-quote or nitro-document")
        .got(evidence.format.name())),
    }
}
