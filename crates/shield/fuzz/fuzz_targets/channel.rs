//! The platform channel: any request of a custodian gives an answer or an error.
#![no_main]

use casemate_shield::parsers::channel_request;
use casemate_testing::UnsignedPlatform;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = channel_request(bytes, &mut UnsignedPlatform::default());
});
