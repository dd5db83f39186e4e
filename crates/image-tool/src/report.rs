//! Why a request is not done.

use std::path::Path;

use casemate_erofs::ReadError;
use casemate_image::blob::BlobError;
use casemate_image::{sealed, unpack};
use casemate_request::Refusal;

casemate_request::failure!();

impl Failure {
    /// What the host refused.
    pub fn host(path: &Path, error: &std::io::Error) -> Self {
        Self::new("host", format!("{}: {error}", path.display()))
    }

    /// With what it is about before it.
    pub fn about(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<unpack::Error> for Failure {
    fn from(error: unpack::Error) -> Self {
        let code = match error {
            unpack::Error::Archive(_) => "archive",
            unpack::Error::Entry { .. } => "refused",
            unpack::Error::Limit { .. } => "limit",
            unpack::Error::Write(_) => "host",
        };
        Self::new(code, error.to_string())
    }
}

impl From<sealed::Error> for Failure {
    fn from(error: sealed::Error) -> Self {
        let code = match error {
            sealed::Error::Io(_) | sealed::Error::Cipher => "host",
            sealed::Error::Size => "limit",
            _ => "tampered",
        };
        Self::new(code, error.to_string())
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Io(_) => Self::new("host", error.to_string()),
            BlobError::Unknown => Self::new("tampered", error.to_string()),
            BlobError::Layer(error) => error.into(),
        }
    }
}

/// Layers are verified as they are read: what is not is in the error of the source.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new("tampered", error.to_string())
    }
}
