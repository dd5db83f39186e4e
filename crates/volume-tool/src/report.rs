//! What this program says: JSON, one object a line. The last line is the result, or the error.

use std::io::Write;

use casemate_volume::Error;
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

    /// What the kernel refused.
    pub fn refused(error: casemate_hardening::Refused) -> Self {
        Self {
            code: "host",
            message: format!("keep others out of this process: {error}"),
        }
    }

    fn json(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message}})
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

/// Says something on standard output, as long as somebody reads it.
pub fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    // Whoever started a mount has gone by the time it ends.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The last line.
pub fn ended(outcome: &Result<Value, Failure>) -> Value {
    match outcome {
        Ok(result) => json!({"result": result}),
        Err(failure) => failure.json(),
    }
}
