//! The one door: evidence in, [`Claims`] out, or an [`Error`] that names the step.
//!
//! What the caller still must do: compute the report data with the right purpose, and judge the claims. Genuine evidence
//! of the wrong workload verifies.

use crate::{Claims, Endorsements, Error, Evidence, Expected, Format, Roots, intel, nitro, sev_snp, sgx, tdx, tpm};

/// Verifies evidence at a time (Unix seconds), by spec/evidence.md.
///
/// # Errors
/// The step that refuses.
pub fn verify(
    evidence: &Evidence,
    endorsements: &Endorsements,
    roots: &Roots,
    at: i64,
    expected: &Expected,
) -> Result<Claims, Error> {
    // Of a vendor, the roots that are part of this crate, where the caller trusts them; of SEV-SNP, those that were pinned
    // as well.
    match evidence.format {
        Format::SevSnp => sev_snp::verify(evidence, endorsements, roots, at, expected),
        Format::Sgx => sgx::verify(intel::trusted_root(roots), evidence, endorsements, at, expected),
        Format::Tdx => tdx::verify(intel::trusted_root(roots), evidence, endorsements, at, expected),
        Format::Nitro => nitro::verify(nitro::shipped_root(roots), evidence, at, expected),
        Format::Tpm => tpm::verify(tpm::shipped_roots(roots), evidence, endorsements, at, expected),
    }
}
