//! A custodian's genesis record: any bytes give one or an error in one line.
#![no_main]

use casemate_custodian_client::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = parsers::genesis(bytes) {
        assert!(!error.to_string().contains('\n'));
    }
});
