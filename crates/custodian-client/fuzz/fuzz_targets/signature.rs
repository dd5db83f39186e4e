//! Headers of a signed answer: none that was made without the key verifies.
#![no_main]

use casemate_custodian_client::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|parts: (&str, &str, &str, &[u8])| {
    let (input, signature, digest, body) = parts;
    assert!(parsers::signature(input, signature, digest, body, &[0xab; 32]).is_err());
});
