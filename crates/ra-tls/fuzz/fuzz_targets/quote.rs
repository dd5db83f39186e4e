//! Quotes of TDX and SGX, and what Intel says of their machines: any bytes give a value or a refusal of one line.
#![no_main]

use casemate_ra_tls::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = parsers::quote(bytes) {
        assert!(!error.to_string().contains('\n'));
    }
});
