//! Why a request is not done.

use casemate_request::Refusal;
use casemate_volume::Error;

/// Why a request was not done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// For programs; never changes its meaning.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Failure {
    /// A request that makes no sense.
    pub fn usage(message: String) -> Self {
        Self { code: "usage", message }
    }

    /// What the host refused.
    pub fn host(doing: &str, error: &std::io::Error) -> Self {
        Self {
            code: "host",
            message: format!("{doing}: {error}"),
        }
    }
}

impl Refusal for Failure {
    fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }

    fn code(&self) -> &'static str {
        self.code
    }

    fn message(&self) -> &str {
        &self.message
    }
}

impl From<casemate_volume_local::Failure> for Failure {
    fn from(failure: casemate_volume_local::Failure) -> Self {
        Self {
            code: failure.code(),
            message: failure.to_string(),
        }
    }
}

impl From<casemate_custodian_client::Error> for Failure {
    fn from(error: casemate_custodian_client::Error) -> Self {
        Self {
            code: "anchor",
            message: error.to_string(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}
