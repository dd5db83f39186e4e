//! `casemate-volume`: does one request, a JSON object on its standard input, and says how it goes in JSON, a line each.
//!
//! People use `casemate volume`, which starts this. Keys come in through the pipe: never an argument, never a file.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod commands;
mod control;
mod copying;
mod lending;
mod mounting;
mod rekeying;
mod report;
mod request;
mod snapshots;
mod source;

use std::io::Read;
use std::process::ExitCode;

use casemate_sys::WipingAllocator;
use zeroize::Zeroizing;

use report::{Failure, ended, say};
use request::Request;

/// The JSON parser knows nothing of secrets and leaves copies in what it frees.
#[global_allocator]
static MEMORY: WipingAllocator = WipingAllocator;

/// Most bytes of a request.
const REQUEST: u64 = 64 * 1024;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == "--version") {
        println!("casemate-volume {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let outcome = read().and_then(commands::run);
    say(&ended(&outcome));
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn read() -> Result<Request, Failure> {
    casemate_hardening::hide().map_err(Failure::refused)?;
    // Where that is not allowed, swap is what the administrator made of it.
    let _ = casemate_hardening::stay_out_of_swap();
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    let read = std::io::stdin().lock().take(REQUEST).read_to_end(&mut text);
    read.map_err(|error| Failure::usage(format!("the request cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| Failure::usage(format!("the request is malformed: {error}")))
}
