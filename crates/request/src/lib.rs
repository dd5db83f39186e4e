//! Programs that do one request: a JSON object on standard input, JSON on standard output, a line each. The last line is
//! the result, or the error.
//!
//! Keys come in through the pipe: never an argument, never a file.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::io::{Read, Write};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Why a request was not done.
pub trait Refusal {
    /// A refusal of this code, with a message for people.
    fn new(code: &'static str, message: String) -> Self;

    /// For programs; never changes its meaning.
    fn code(&self) -> &'static str;

    /// For people.
    fn message(&self) -> &str;
}

/// A program's `Failure`, the [`Refusal`] that it works with. Each has its own, which is made of others' errors (`From`).
#[macro_export]
macro_rules! failure {
    () => {
        /// Why a request was not done.
        #[derive(Clone, Debug)]
        pub struct Failure {
            /// For programs; never changes its meaning.
            pub code: &'static str,
            /// For people.
            pub message: String,
        }

        impl $crate::Refusal for Failure {
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
    };
}

/// A program, as it is called.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its version, for `--version`.
    pub version: &'static str,
    /// Most bytes of a request.
    pub limit: u64,
}

impl Program {
    /// Reads a request, does it, and says the last line.
    pub fn run<R: DeserializeOwned, F: Refusal>(&self, act: impl FnOnce(R) -> Result<Value, F>) -> ExitCode {
        if std::env::args_os().nth(1).is_some_and(|first| first == "--version") {
            println!("{} {}", self.name, self.version);
            return ExitCode::SUCCESS;
        }
        let outcome = self.read().and_then(act);
        say(&ended(&outcome));
        match outcome {
            Ok(_) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        }
    }

    fn read<R: DeserializeOwned, F: Refusal>(&self) -> Result<R, F> {
        let refused = |error| F::new("host", format!("keep others out of this process: {error}"));
        casemate_hardening::hide().map_err(refused)?;
        // Where that is not allowed, swap is what the administrator made of it.
        let _ = casemate_hardening::stay_out_of_swap();
        let mut text = Zeroizing::new(Vec::with_capacity(4096));
        let usage = |message| F::new("usage", message);
        let read = std::io::stdin().lock().take(self.limit).read_to_end(&mut text);
        read.map_err(|error| usage(format!("the request cannot be read: {error}")))?;
        serde_json::from_slice(&text).map_err(|error| usage(format!("the request is malformed: {error}")))
    }
}

/// Says something on standard output, as long as somebody reads it.
pub fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    // Whoever started this may have gone by the time it ends.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Says how far the work is, in bytes.
pub fn progress(done: u64, total: u64) {
    say(&json!({"progress": {"done": done, "total": total}}));
}

/// The last line.
#[must_use]
pub fn ended<F: Refusal>(outcome: &Result<Value, F>) -> Value {
    match outcome {
        Ok(result) => json!({"result": result}),
        Err(failure) => json!({"error": {"code": failure.code(), "message": failure.message()}}),
    }
}

/// Bytes in hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes in base64url, as secrets come.
///
/// # Errors
/// The deserializer's, for anything else.
pub fn thirty_two<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<[u8; 32]>, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    let mut bytes = Zeroizing::new([0; 32]);
    match URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), bytes.as_mut_slice()) {
        Ok(32) => Ok(bytes),
        _ => Err(D::Error::custom("not 32 bytes in base64url")),
    }
}
