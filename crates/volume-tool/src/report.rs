//! Why a request is not done.

use casemate_request::Refusal;
use casemate_volume::Error;

casemate_request::failure!();

impl Failure {
    /// A request that makes no sense.
    pub fn usage(message: String) -> Self {
        Self::new("usage", message)
    }

    /// What the host refused.
    pub fn host(doing: &str, error: &std::io::Error) -> Self {
        Self::new("host", format!("{doing}: {error}"))
    }
}

impl From<casemate_volume_local::Failure> for Failure {
    fn from(failure: casemate_volume_local::Failure) -> Self {
        Self::new(failure.code(), failure.to_string())
    }
}

impl From<casemate_custodian_client::Error> for Failure {
    fn from(error: casemate_custodian_client::Error) -> Self {
        Self::new("anchor", error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
