//! Certificates that carry evidence (RA-TLS, spec/ra-tls.md): read, and verified by what they carry.
//!
//! [`AttestedPeer`] says who may be on the other side, [`tls`] gives rustls a verifier of that. [`verify`] judges
//! evidence alone. Verified are SEV-SNP and the simulated platforms that speak its format, TDX, SGX, Nitro and TPMs.
//!
//! [`completed`] puts what a cache of endorsements has beside what came.
//!
//! No network, no file, no clock: bytes, roots and time come in.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod asked;
mod carried;
mod cbor;
mod certificate;
mod claims;
mod cmw;
mod entries;
mod error;
mod eventlog;
mod evidence;
mod expectations;
mod intel;
mod keys;
mod nitro;
mod peer;
mod pem;
mod platforms;
mod revocation;
mod sev_snp;
mod sgx;
mod tdx;
pub mod tls;
mod tpm;
#[cfg(test)]
mod vectors;
mod wanted;
mod x509;

pub use asked::{Asked, Waived, Waiver};
pub use carried::{Carried, Endorsements, Evidence, Format, Vouched};
pub use certificate::{LONGEST, MAX_CERTIFICATE_BYTES, RaTlsCertificate};
pub use claims::{Claims, Platform, UP_TO_DATE};
pub use entries::MAX_ENTRY_BYTES;
pub use error::Error;
pub use evidence::verify;
pub use expectations::{Expected, Roots};
pub use peer::{AttestedPeer, Completing};
pub use wanted::completed;

/// Parsers of what a certificate brings, for fuzzing: any bytes give a value or an [`Error`]. Behind signatures, noise
/// would not get to them.
pub mod parsers {
    use crate::Error;
    use crate::carried::{Carried, TYPE};

    /// The value of the extension.
    ///
    /// # Errors
    /// When it is not of the known form.
    pub fn carried(value: &[u8]) -> Result<Carried, Error> {
        Carried::parse(crate::cmw::record(value, TYPE)?)
    }

    /// An entry of a cache of endorsements, of any kind.
    ///
    /// # Errors
    /// When it is none.
    pub fn entry(data: &[u8]) -> Result<(), Error> {
        use crate::entries::Kind;
        let kinds = [Kind::Certificates, Kind::List, Kind::Document];
        let found = kinds.into_iter().any(|kind| kind.holds(data));
        found
            .then_some(())
            .ok_or_else(|| Error::new("endorsements.entry", "no entry of a cache"))
    }

    /// A certificate in DER or PEM, and what AMD says in it of a key, were it one of each product line.
    ///
    /// # Errors
    /// When it is none.
    pub fn report_key(certificate: &[u8]) -> Result<(), Error> {
        let read = crate::x509::Certificate::parse(certificate, "certificate")?;
        crate::sev_snp::certified_by_any_line(&read)
    }

    /// An attestation document of Nitro.
    ///
    /// # Errors
    /// When it is none.
    pub fn nitro_document(document: &[u8]) -> Result<(), Error> {
        crate::nitro::parse(document)
    }

    /// A quote of a TPM, with a key that may sign it.
    ///
    /// # Errors
    /// When it is none.
    pub fn tpm_quote(report: &[u8]) -> Result<(), Error> {
        crate::tpm::parse(report)
    }

    /// An event log, and what registers each bank leads to that it has digests of.
    ///
    /// # Errors
    /// When it is none, or a record has no digest of a bank.
    pub fn event_log(log: &[u8]) -> Result<(), Error> {
        let read = crate::eventlog::EventLog::parse(log)?;
        for bank in read.replayable() {
            crate::eventlog::replay(&read, bank)?;
        }
        Ok(())
    }

    /// A quote of TDX or SGX with the certificates in it, and what Intel says in the first one of a machine.
    ///
    /// # Errors
    /// When it is none.
    pub fn quote(quote: &[u8]) -> Result<(), Error> {
        crate::intel::read_quote(quote)
    }

    /// TCB info or the identity of an enclave as Intel sends it, whoever signed it.
    ///
    /// # Errors
    /// When it is neither.
    pub fn intel_document(document: &[u8]) -> Result<(), Error> {
        crate::intel::read_document(document)
    }
}
