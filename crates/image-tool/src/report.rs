//! What this program says: JSON, one object a line. The last line is the result, or the error.

use std::io::Write;
use std::path::Path;

use casemate_erofs::ReadError;
use casemate_image::blob::BlobError;
use casemate_image::{sealed, unpack};
use serde_json::{Value, json};

/// Why a request was not done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// For programs; never changes its meaning.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Failure {
    fn new(code: &'static str, message: &impl ToString) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }

    /// A request that makes no sense.
    pub fn usage(message: String) -> Self {
        Self { code: "usage", message }
    }

    /// What the host refused.
    pub fn host(path: &Path, error: &std::io::Error) -> Self {
        Self::new("host", &format!("{}: {error}", path.display()))
    }

    /// What the kernel refused.
    pub fn refused(error: casemate_hardening::Refused) -> Self {
        Self::new("host", &format!("keep others out of this process: {error}"))
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
        Self::new(code, &error)
    }
}

impl From<sealed::Error> for Failure {
    fn from(error: sealed::Error) -> Self {
        let code = match error {
            sealed::Error::Io(_) | sealed::Error::Cipher => "host",
            sealed::Error::Size => "limit",
            _ => "tampered",
        };
        Self::new(code, &error)
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Io(_) => Self::new("host", &error),
            BlobError::Unknown => Self::new("tampered", &error),
            BlobError::Layer(error) => error.into(),
        }
    }
}

/// Layers are verified as they are read: what is not is in the error of the source.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::new("tampered", &error)
    }
}

/// Says something on standard output, as long as somebody reads it.
pub fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Says how far the work is.
pub fn progress(done: u64, total: u64) {
    say(&json!({"progress": {"done": done, "total": total}}));
}

/// The last line.
pub fn ended(outcome: &Result<Value, Failure>) -> Value {
    match outcome {
        Ok(result) => json!({"result": result}),
        Err(failure) => json!({"error": {"code": failure.code, "message": failure.message}}),
    }
}
