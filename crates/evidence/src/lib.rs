//! Asking the platform for evidence and keys (spec/evidence.md).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
pub mod frame;
mod report_data;
mod simulated;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub use error::Error;
pub use report_data::{Purpose, bind, report_data};
pub use simulated::{SimulatedPlatform, join_simulated};

/// Size of an SEV-SNP attestation report (firmware ABI, table ATTESTATION_REPORT).
const REPORT_BYTES: usize = 1184;
/// Where HOST_DATA lies in it.
const HOST_DATA: std::ops::Range<usize> = 0xC0..0xE0;

/// A platform that a trust domain can ask about itself.
pub trait Platform {
    /// A report over `report_data`, with what a verifier needs besides.
    ///
    /// # Errors
    /// When the platform does not answer, or refuses.
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error>;

    /// A key that this chip gives only to this measurement and manifest, one for each context of at most 64 bytes.
    ///
    /// # Errors
    /// When the platform does not answer, or refuses.
    fn derive_key(&mut self, context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error>;
}

/// A report and its endorsements. Public: it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The report as the platform signed it.
    pub report: Vec<u8>,
    /// Certificate table of the GHCB specification.
    pub certificates: Vec<u8>,
    /// Revocation lists, DER.
    pub crls: Vec<Vec<u8>>,
}

impl Evidence {
    /// What the platform fixed at launch: the digest of the manifest.
    ///
    /// # Errors
    /// [`Error::Malformed`] when this is not a report.
    pub fn host_data(&self) -> Result<[u8; 32], Error> {
        if self.report.len() != REPORT_BYTES {
            return Err(Error::Malformed("a report of the wrong size"));
        }
        self.report[HOST_DATA]
            .try_into()
            .map_err(|_| Error::Malformed("a report of the wrong size"))
    }

    /// The field `evidence` of the wire form.
    #[must_use]
    pub fn evidence_json(&self) -> Value {
        json!({"format": "sev-snp-report", "report": URL_SAFE_NO_PAD.encode(&self.report)})
    }

    /// The field `endorsements` of the wire form.
    #[must_use]
    pub fn endorsements_json(&self) -> Value {
        let crls: Vec<String> = self.crls.iter().map(|crl| URL_SAFE_NO_PAD.encode(crl)).collect();
        json!({"certificates": URL_SAFE_NO_PAD.encode(&self.certificates), "crls": crls})
    }
}
