//! Frames: any bytes give frames or an error, and no more memory is asked for than a frame may have.
#![no_main]

use casemate_evidence::frame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = bytes;
    while let Ok(Some(frame)) = frame::read(&mut reader) {
        assert!(frame.len() <= frame::MAX_BYTES);
    }
});
