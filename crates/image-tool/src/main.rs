//! `casemate-image`: does one request, a JSON object on its standard input, and says how it goes in JSON, a line each.
//!
//! People use `casemate image`, which starts this. Keys come in through the pipe: never an argument, never a file.
//! Archives of images are hostile; they are read in this process, which has nothing but their layer's key.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod archive;
mod arising;
mod listing;
mod looking;
mod opening;
mod out;
mod report;
mod request;
mod sealing;

use std::process::ExitCode;

use casemate_request::{Program, progress};
use casemate_sys::WipingAllocator;
use serde_json::{Value, json};

use report::Failure;
use request::{Image, Request};

/// The JSON parser knows nothing of secrets and leaves copies in what it frees.
#[global_allocator]
static MEMORY: WipingAllocator = WipingAllocator;

/// A request has up to 128 layers with long paths.
const PROGRAM: Program = Program {
    name: "casemate-image",
    version: env!("CARGO_PKG_VERSION"),
    limit: 1024 * 1024,
};

fn main() -> ExitCode {
    PROGRAM.run(run)
}

fn run(request: Request) -> Result<Value, Failure> {
    match request {
        Request::Seal {
            archive,
            target,
            key,
            diff_id,
            limits,
        } => sealing::seal(&archive, &target, key.as_ref(), &diff_id, &limits.into()),
        Request::List { image, digests } => listing::list(&image.open()?, digests),
        Request::Look { image, paths } => looking::look(&image.open()?, &paths),
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
                progress(done, total);
            })
            .map_err(Failure::from)?;
    }
    image.open()?;
    Ok(json!({"layers": layers.len(), "bytes": total}))
}
