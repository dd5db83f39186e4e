//! An opened configuration: any bytes give one or an error, and what is shown of it holds no content.
#![no_main]

use casemate_custodian_client::parsers;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(configuration) = parsers::configuration(bytes) {
        assert!(configuration.files.iter().all(|file| file.mode <= 0o777));
        assert!(format!("{configuration:?}").contains("holes"));
    }
});
