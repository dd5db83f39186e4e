use std::path::Path;
use std::time::Duration;

use thiserror::Error as ThisError;

/// Why there is no evidence.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The socket to the platform broke.
    #[error("the platform does not answer: {0}; is its agent running?")]
    Silent(#[from] std::io::Error),
    /// The platform took longer than it may over one question.
    #[error(
        "the platform did not answer within {0:?}: its agent hangs, or has too much to do; look at its log, start it again"
    )]
    Late(Duration),
    /// A device or file of the platform cannot be used.
    #[error("{path}: {error}")]
    Device {
        /// Which one.
        path: String,
        /// What the kernel says.
        error: std::io::Error,
    },
    /// The platform answered something that is not documented.
    #[error("the platform answered what it should not: {0}")]
    Malformed(&'static str),
    /// The platform said no.
    #[error("the platform refused: {0}")]
    Refused(String),
    /// Somebody else used the platform between one step and the next, again and again.
    #[error("somebody else uses the platform all the time: {0}")]
    Disturbed(&'static str),
    /// A manifest cannot be bound to this machine.
    #[error("the manifest cannot be bound to this machine: {0}")]
    Bound(String),
    /// The platform has no such thing.
    #[error("this platform has no {0}")]
    Missing(&'static str),
    /// The report is about another trust domain than the one that asked.
    #[error("the platform's report is about another trust domain")]
    AnotherDomain,
}

impl Error {
    /// For `map_err`: what the kernel says of a path.
    pub(crate) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |error| Self::Device { path, error }
    }
}
