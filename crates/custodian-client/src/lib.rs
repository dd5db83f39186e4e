//! The release protocol (spec/protocol.md), as a shield speaks it.
//!
//! Nothing here relies on TLS: every answer is verified against the custodian whose identity the manifest pins, before
//! it is parsed. [`Custodian::attest`] is the whole of it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod anchor;
mod answer;
mod attest;
pub mod clock;
mod configuration;
mod configured_volume;
mod error;
mod genesis;
mod http;
mod instance;
mod keys;
mod lease;
mod problem;
mod renewing;
mod signature;
mod term;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(test)]
mod vectors;

pub use anchor::{AnchorRecord, AnchorState, Anchored, Moved, VolumeAnchor};
pub use attest::{AttestedKeys, Custodian, Release};
pub use configuration::{Configuration, PolicyFile, User};
pub use configured_volume::{ConfiguredVolume, Freshness, Mode, RootKind};
pub use error::Error;
pub use lease::Lease;
pub use renewing::{Renewing, sleep_until};

/// Parsers of what the network says, for fuzzing: any bytes give a value or an [`Error`].
pub mod parsers {
    use std::time::Duration;

    use crate::http::{Limits, Line};
    use crate::keys::SigningKey;
    use crate::signature::{AnswerHeaders, sign};
    use crate::{Configuration, Error};

    /// A genesis record.
    ///
    /// # Errors
    /// When it is not one.
    pub fn genesis(bytes: &[u8]) -> Result<(), Error> {
        crate::genesis::Genesis::parse(bytes).map(drop)
    }

    /// A `Casemate-Instance` header, verified against some key.
    ///
    /// # Errors
    /// When it is not one.
    pub fn instance(header: &str, identity_key: &[u8; 32], identity: &[u8; 32]) -> Result<(), Error> {
        crate::instance::Instance::verify(header, identity_key, identity, 0).map(drop)
    }

    /// A configuration after it was opened.
    ///
    /// # Errors
    /// When it is not one.
    pub fn configuration(bytes: &[u8]) -> Result<Configuration, Error> {
        Configuration::parse(bytes)
    }

    /// What whoever listens at `address` answers: status line, headers, body; nothing of it is believed here.
    ///
    /// # Errors
    /// When it is no answer.
    pub fn answer(address: &str) -> Result<(), Error> {
        let limits = Limits {
            whole: Duration::from_millis(500),
            ..Limits::PROTOCOL
        };
        let line = Line::new(&[address.to_owned()], limits)?;
        let signed = sign(&SigningKey::generate()?, "POST", "/", b"{}", 0, &[0; 16]);
        line.post(address, "/", b"{}", &signed).map(drop)
    }

    /// The signature of an answer, by its headers, over a body.
    ///
    /// # Errors
    /// When it does not verify.
    pub fn signature(input: &str, signature: &str, digest: &str, body: &[u8], key: &[u8; 32]) -> Result<(), Error> {
        let headers = AnswerHeaders {
            content_digest: digest.to_owned(),
            instance: String::new(),
            signature_input: input.to_owned(),
            signature: signature.to_owned(),
        };
        crate::signature::verify(&headers, 200, body, signature, key).map(drop)
    }

    /// A certificate of a custodian's TLS, at this time (Unix seconds).
    ///
    /// # Errors
    /// When it is none that this one vouches for.
    #[cfg(feature = "tls")]
    pub fn certificate(der: &[u8], genesis: &[u8], now: i64) -> Result<(), Error> {
        crate::tls::PinnedCustodian::of(genesis)?.verify(der, now)
    }

    /// What is told of a volume's anchor.
    ///
    /// # Errors
    /// When it is no such answer.
    pub fn volume(bytes: &[u8]) -> Result<(), Error> {
        let form = serde_json::from_slice::<crate::anchor::AnswerForm>(bytes);
        form.map_err(|_| Error::Malformed("answer"))?.read().map(drop)
    }

    /// A problem document.
    #[must_use]
    pub fn problem(bytes: &[u8]) -> Error {
        crate::problem::refusal(403, bytes)
    }
}
