//! `casemate-image`: does one request, a JSON object on its standard input, and says how it goes in JSON, a line each.
//!
//! People use `casemate image`, which starts this. Keys come in through the pipe: never an argument, never a file.
//! Archives of images are hostile; they are read in this process, which has nothing but their layer's key.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod archive;
mod listing;
mod report;
mod request;
mod sealing;

use std::io::Read;
use std::process::ExitCode;

use casemate_sys::WipingAllocator;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use report::{Failure, ended, say};
use request::{Image, Request};

/// The JSON parser knows nothing of secrets and leaves copies in what it frees.
#[global_allocator]
static MEMORY: WipingAllocator = WipingAllocator;

/// Most bytes of a request: 128 layers with long paths.
const REQUEST: u64 = 1024 * 1024;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|first| first == "--version") {
        println!("casemate-image {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let outcome = read().and_then(run);
    say(&ended(&outcome));
    match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn read() -> Result<Request, Failure> {
    casemate_hardening::hide().map_err(Failure::refused)?;
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    let read = std::io::stdin().lock().take(REQUEST).read_to_end(&mut text);
    read.map_err(|error| Failure::usage(format!("the request cannot be read: {error}")))?;
    serde_json::from_slice(&text).map_err(|error| Failure::usage(format!("the request is malformed: {error}")))
}

fn run(request: Request) -> Result<Value, Failure> {
    match request {
        Request::Seal {
            archive,
            target,
            key,
            limits,
        } => sealing::seal(&archive, &target, key.as_ref(), &limits.into()),
        Request::List { image, digests } => listing::list(&image.open()?, digests),
        Request::Export { image, target } => archive::export(&image.open()?, &target),
        Request::Verify { image } => verify(&image),
    }
}

/// Reads every byte of every layer, whatever of it the image shows.
fn verify(image: &Image) -> Result<Value, Failure> {
    let layers = image.layers()?;
    let total = layers.iter().map(casemate_image::sealed::Layer::size).sum();
    let mut done = 0;
    for layer in &layers {
        layer
            .verify(&mut |bytes| {
                done += bytes;
                report::progress(done, total);
            })
            .map_err(Failure::from)?;
    }
    image.open()?;
    Ok(json!({"layers": layers.len(), "bytes": total}))
}
