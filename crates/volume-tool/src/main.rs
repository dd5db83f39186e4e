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

use std::process::ExitCode;

use casemate_request::Program;
use casemate_sys::WipingAllocator;

/// The JSON parser knows nothing of secrets and leaves copies in what it frees.
#[global_allocator]
static MEMORY: WipingAllocator = WipingAllocator;

const PROGRAM: Program = Program {
    name: "casemate-volume",
    version: env!("CARGO_PKG_VERSION"),
    limit: 64 * 1024,
};

fn main() -> ExitCode {
    PROGRAM.run(commands::run)
}
