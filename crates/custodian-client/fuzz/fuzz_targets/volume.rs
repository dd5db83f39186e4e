//! What is told of a volume's anchor: any bytes give an answer or an error.
#![no_main]

use casemate_custodian_client::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parsers::volume(bytes);
});
