//! How errors of the custodian's client become exit statuses.

use casemate_custodian_client::Error;

use crate::failure::Exit;

/// The exit status for an error of the client.
pub fn of(error: &Error) -> Exit {
    match error {
        Error::Unreachable(_) => Exit::Unreachable,
        Error::NotGenuine { .. } | Error::Malformed(_) => Exit::NotGenuine,
        Error::Refused { .. } => Exit::Refused,
        Error::Bundle(_) => Exit::Bundle,
        Error::Platform(_) | Error::Keys(_) => Exit::Platform,
    }
}
