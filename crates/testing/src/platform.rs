//! A platform whose reports nobody signed: enough for a shield, which asks itself only which manifest they name.

use casemate_evidence::{Binding, Error, Evidence, Format, Platform, host_data};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Length of a report, and where REPORT_DATA and HOST_DATA lie in it (SEV-SNP firmware ABI, ATTESTATION_REPORT).
const REPORT_BYTES: usize = 1184;
const REPORT_DATA: std::ops::Range<usize> = 0x50..0x90;
const HOST_DATA: std::ops::Range<usize> = 0xc0..0xe0;

/// A report with these two fields and zeros.
#[must_use]
pub fn report(report_data: &[u8; 64], host_data: &[u8; 32]) -> Vec<u8> {
    let mut report = vec![0; REPORT_BYTES];
    report[REPORT_DATA].copy_from_slice(report_data);
    report[HOST_DATA].copy_from_slice(host_data);
    report
}

/// Gives evidence for whatever it is asked.
#[derive(Clone, Debug, Default)]
pub struct UnsignedPlatform {
    /// HOST_DATA of its reports.
    pub host_data: [u8; 32],
}

impl Platform for UnsignedPlatform {
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error> {
        Ok(Evidence::of(Format::SevSnp, report(report_data, &self.host_data)))
    }

    fn binding(&self, evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
        host_data(evidence, manifest)
    }

    fn derive_key(&mut self, context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        Ok(Zeroizing::new(Sha256::digest(context).into()))
    }
}
