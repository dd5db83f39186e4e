//! `casemate-evidence`: does one request, a JSON object on its standard input, and answers in JSON.
//!
//! People use `casemate evidence collect`, which starts this; for evidence of the simulated platform the platform's agent
//! starts it, as it starts a shield.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod failure;
mod request;
mod sources;

use std::process::ExitCode;

use casemate_request::Program;
use serde_json::{Value, json};

use failure::Failure;
use request::{Collect, Request};
use sources::{Places, Source};

/// A request is short.
const PROGRAM: Program = Program {
    name: "casemate-evidence",
    version: env!("CARGO_PKG_VERSION"),
    limit: 64 * 1024,
};

fn main() -> ExitCode {
    PROGRAM.run(run)
}

fn run(request: Request) -> Result<Value, Failure> {
    match request {
        Request::Collect(asked) => collect(&asked, &Places::of_linux()),
    }
}

/// Evidence of the platform that was named, or of the first that is there; with what else was there.
fn collect(asked: &Collect, places: &Places) -> Result<Value, Failure> {
    let there = Source::named(asked, places);
    let Some((chosen, others)) = there.split_first() else {
        return Err(Failure::nothing(asked, places));
    };
    let mut opened = chosen.open(asked.key())?;
    let mut evidence = opened
        .evidence(&asked.report_data)
        .map_err(|error| chosen.failed(&error))?;
    if !asked.log {
        evidence.log = None;
    }
    Ok(json!({
        "platform": chosen.platform.name(),
        "source": chosen.path,
        "others": others.iter().map(|other| &other.path).collect::<Vec<_>>(),
        "evidence": evidence.evidence_json(),
        "endorsements": evidence.endorsements_json(),
    }))
}

#[cfg(test)]
mod tests;
