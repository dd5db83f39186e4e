//! `casemate-shield`: started by a platform with its private socket as descriptor 3 and a launch bundle as 4; or, with
//! `--container`, by a container engine as the first process of a container; or, with `--tpm PATH`, by whoever runs a
//! machine with a TPM, with the bundle alone; or with `--health`, beside one of a container.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;

use casemate_shield::health::{self, Health};
use casemate_shield::run::{Options, exit_byte, run};
use casemate_shield::tell;
use casemate_sys::WipingAllocator;

/// JSON parsers, base64 and HPKE know nothing of secrets and leave copies in what they free.
#[global_allocator]
static MEMORY: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    let is_nth = |number, option| std::env::args_os().nth(number).as_deref() == Some(OsStr::new(option));
    if is_nth(1, "--version") {
        println!("casemate-shield {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    if is_nth(1, "--health") {
        return tell_health();
    }
    let container = is_nth(1, "--container");
    // Without a path there is no TPM, which is said like that of a wrong one.
    let tpm = is_nth(1, "--tpm").then(|| std::env::args_os().nth(2).unwrap_or_default());
    let timings = is_nth(1 + usize::from(container) + 2 * usize::from(tpm.is_some()), "--timings");
    let options = Options {
        container,
        tpm: tpm.map(PathBuf::from),
        timings,
    };
    let ended = run(&options);
    if let Err(failure) = &ended {
        tell(failure);
    }
    ExitCode::from(exit_byte(&ended))
}

/// What container engines expect of a health check: status 0 if all is well, else 1, and a word for people.
fn tell_health() -> ExitCode {
    match health::ask() {
        Ok(health) => {
            println!("{}", health.word());
            ExitCode::from(u8::from(health != Health::Healthy))
        }
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}
