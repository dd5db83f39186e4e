//! Instance certificates, before their signature (the bytes as header) and behind it (the bytes as signed payload).
#![no_main]

use std::sync::LazyLock;

use casemate_custodian_client::parsers;
use casemate_testing::Signer;
use libfuzzer_sys::fuzz_target;

static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::new);

fuzz_target!(|bytes: &[u8]| {
    let identity = [0xab; 32];
    if let Ok(header) = std::str::from_utf8(bytes) {
        assert!(parsers::instance(header, &SIGNER.public(), &identity).is_err());
    }
    let _ = parsers::instance(&SIGNER.certificate_over(bytes), &SIGNER.public(), &identity);
});
