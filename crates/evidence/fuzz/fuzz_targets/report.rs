//! What a platform answers: any bytes give evidence, a key or an error.
#![no_main]

use std::io::Write;
use std::os::unix::net::UnixStream;

use casemate_evidence::{Platform, SimulatedPlatform};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Two answers at most fit into the socket's buffer, which is what keeps this from waiting for itself.
    let (wants_key, answer) = bytes
        .split_first()
        .map_or((false, bytes), |(first, rest)| (first % 2 == 1, rest));
    let (ours, mut theirs) = UnixStream::pair().expect("sockets");
    let length = u32::try_from(answer.len()).expect("short").to_be_bytes();
    theirs
        .write_all(&length)
        .and_then(|()| theirs.write_all(answer))
        .expect("room");
    let mut platform = SimulatedPlatform::from_fd(ours.into());
    if wants_key {
        let _ = platform.derive_key(b"context");
    } else if let Ok(evidence) = platform.evidence(&[0; 64]) {
        let _ = platform.binding(&evidence, &[0; 32]);
        let _ = (evidence.evidence_json(), evidence.endorsements_json());
    }
});
