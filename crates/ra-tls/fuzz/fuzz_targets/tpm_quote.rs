//! Quotes of TPMs: any bytes give a value or a refusal of one line.
#![no_main]

use casemate_ra_tls::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = parsers::tpm_quote(bytes) {
        assert!(!error.to_string().contains('\n'));
    }
});
