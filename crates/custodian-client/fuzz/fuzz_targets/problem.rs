//! Problem documents: any bytes give an error in one line.
#![no_main]

use casemate_custodian_client::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let error = parsers::problem(bytes);
    assert!(!error.to_string().contains(char::is_control));
});
