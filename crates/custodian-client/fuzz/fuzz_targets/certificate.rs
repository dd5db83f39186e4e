//! Certificates of a custodian's TLS: any bytes are refused, in one line.
#![no_main]

use casemate_custodian_client::parsers;
use libfuzzer_sys::fuzz_target;

const GENESIS: &[u8] = include_bytes!("../seeds/genesis/one");

fuzz_target!(|bytes: &[u8]| {
    // It is the time zero, when no certificate of the seeds is valid.
    let error = parsers::certificate(bytes, GENESIS).expect_err("nobody vouches");
    assert!(!error.to_string().contains('\n'));
});
