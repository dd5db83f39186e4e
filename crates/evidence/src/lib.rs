//! Asking the platform for evidence and keys (spec/evidence.md).
//!
//! Each platform is a module: [`simulated`](SimulatedPlatform), [`tsm`] (SEV-SNP and TDX), [`sev_guest`] (SEV-SNP on older
//! kernels), [`nsm`] (Nitro), [`tpm`].
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod bound;
mod error;
mod evidence;
pub mod frame;
pub mod nsm;
pub mod sev_guest;
mod simulated;
mod timed;
pub mod tpm;
pub mod tsm;

use zeroize::Zeroizing;

pub use bound::{Binding, host_data, mr_config_id};
pub use casemate_wire::{Purpose, bind, report_data};
pub use error::Error;
pub use evidence::{Evidence, Format};
pub use simulated::{SimulatedPlatform, join_simulated};

/// Most bytes of a log that is sent along. One of a usual boot has 20 to 100 KiB; a longer one stays behind, and its
/// registers speak for themselves.
pub const MAX_LOG_BYTES: u64 = 128 * 1024;

/// A platform that a trust domain can ask about itself.
pub trait Platform {
    /// A report over `report_data`, with what a verifier needs besides.
    ///
    /// # Errors
    /// When the platform does not answer, or refuses.
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error>;

    /// Whether evidence that this platform gave says that it bound the manifest with this digest to the domain.
    ///
    /// # Errors
    /// [`Error::Malformed`] where that cannot be read from it.
    fn binding(&self, evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error>;

    /// A key that this chip gives only to this measurement and manifest, one for each context of at most 64 bytes.
    ///
    /// # Errors
    /// When the platform does not answer, or refuses.
    fn derive_key(&mut self, context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error>;
}

impl<P: Platform + ?Sized> Platform for Box<P> {
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error> {
        (**self).evidence(report_data)
    }

    fn binding(&self, evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
        (**self).binding(evidence, manifest)
    }

    fn derive_key(&mut self, context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        (**self).derive_key(context)
    }
}

/// A log at `path`, where there is one that is short enough to be sent along.
pub(crate) fn log_at(path: &std::path::Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut log = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MAX_LOG_BYTES + 1).read_to_end(&mut log).ok()?;
    (!log.is_empty() && log.len() as u64 <= MAX_LOG_BYTES).then_some(log)
}
