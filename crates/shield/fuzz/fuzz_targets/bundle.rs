//! Launch bundles: any bytes give one or an error. The host writes them.
#![no_main]

use casemate_shield::bundle::Bundle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = Bundle::parse(bytes) {
        let _ = error.to_string();
    }
});
