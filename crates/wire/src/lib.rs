//! What every message is made of: text forms (spec/protocol.md, "Words and encodings"), and what binds several values
//! into one (spec/evidence.md, "Report data"); and the form of certificates over evidence (spec/ra-tls.md). Bytes in, bytes out.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod binding;
pub mod certificate;
pub mod encoding;

pub use binding::{Purpose, bind, report_data};
