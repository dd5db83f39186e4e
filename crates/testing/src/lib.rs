//! Fakes for tests: a custodian that signs like a real one ([`Custodian`]), a server that sends whatever it is told
//! ([`Server`]), a platform whose reports nobody signed ([`UnsignedPlatform`]), and a TPM in software ([`SoftwareTpm`]); and what fuzz
//! targets begin with ([`seeds`]).
//!
//! The custodian verifies nothing and decides nothing: it is there so that a test can spoil one thing at a time.
//! Only `[dev-dependencies]` and fuzz targets may name this crate.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod certificate;
mod custodian;
mod http;
mod platform;
mod seeds;
mod software_tpm;
mod text;

pub use certificate::{Certificate, Signer};
pub use custodian::{Custodian, Release};
pub use http::{Answer, Request, Server};
pub use platform::{UnsignedPlatform, report};
pub use seeds::{Seed, seeds};
pub use software_tpm::SoftwareTpm;
pub use text::{b64u, digest_text, from_b64u, time_text};
