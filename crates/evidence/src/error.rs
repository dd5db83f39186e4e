use thiserror::Error as ThisError;

/// Why there is no evidence.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The socket to the platform broke.
    #[error("the platform does not answer: {0}; is its agent running?")]
    Silent(#[from] std::io::Error),
    /// The platform answered something that is not documented.
    #[error("the platform answered what it should not: {0}")]
    Malformed(&'static str),
    /// The platform said no.
    #[error("the platform refused: {0}")]
    Refused(String),
    /// The report is about another trust domain than the one that asked.
    #[error("the platform's report is about another trust domain")]
    AnotherDomain,
}
