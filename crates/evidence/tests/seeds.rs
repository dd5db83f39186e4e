//! Fuzz targets begin with something that is accepted: what is refused at once leads nowhere.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use casemate_evidence::nsm::{Module, NitroPlatform};
use casemate_evidence::{Error, Platform, SimulatedPlatform, frame};
use casemate_testing::{Seed, seeds};

#[path = "../fuzz/given/tpm.rs"]
mod tpm;

#[test]
fn every_seed_is_accepted() {
    for Seed { target, name, bytes } in seeds(env!("CARGO_MANIFEST_DIR")) {
        let read = match target.as_str() {
            "frame" => frame::read(&mut bytes.as_slice()).map(drop).map_err(Error::from),
            "nsm" => security_module(&name, &bytes),
            "report" => simulated(&bytes),
            "tpm" => answers(&bytes),
            other => panic!("say here what target {other} accepts"),
        };
        match (name.as_str(), read) {
            ("refusal", Err(Error::Refused(_))) => {}
            (_, read) => assert!(read.is_ok(), "{target}/{name}: {read:?}"),
        }
    }
}

/// As in fuzz/fuzz_targets/nsm.rs, but it counts what it was asked.
#[derive(Debug)]
struct Noise(Vec<u8>, Arc<AtomicUsize>);

impl Module for Noise {
    fn exchange(&mut self, _request: &[u8]) -> Result<Vec<u8>, Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(self.0.clone())
    }
}

/// A document is the only answer that is waited for; after a register another question is asked, with another answer.
fn security_module(name: &str, answer: &[u8]) -> Result<(), Error> {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut module = NitroPlatform::over(Box::new(Noise(answer.to_vec(), Arc::clone(&asked))));
    if name == "document" {
        return module.evidence(&[0; 64]).map(drop);
    }
    match module.bind(&[0; 32]) {
        Err(_) if asked.load(Ordering::Relaxed) > 1 => Ok(()),
        read => read,
    }
}

/// As in fuzz/fuzz_targets/report.rs.
fn simulated(bytes: &[u8]) -> Result<(), Error> {
    let (first, answer) = bytes.split_first().expect("a seed");
    let (ours, mut theirs) = UnixStream::pair().expect("sockets");
    let length = u32::try_from(answer.len()).expect("short").to_be_bytes();
    theirs.write_all(&[&length, answer].concat()).expect("room");
    let mut platform = SimulatedPlatform::from_fd(ours.into());
    if first % 2 == 1 {
        return platform.derive_key(b"context").map(drop);
    }
    platform.evidence(&[0; 64]).map(drop)
}

/// All answers are understood; that there are too few of them is for the fuzzer to mend.
fn answers(bytes: &[u8]) -> Result<(), Error> {
    let (mut platform, for_evidence) = tpm::answering(bytes).expect("a seed");
    let read = if for_evidence {
        platform.evidence(&[0; 64]).map(drop)
    } else {
        platform.bind(&[0; 32])
    };
    match read {
        Err(Error::Malformed(tpm::NO_MORE)) => Ok(()),
        read => read,
    }
}
