//! Launch manifests: any bytes give one or an error; one that is read is the only spelling of itself.
#![no_main]

use casemate_shield::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert!(!manifest.entrypoint.is_empty());
        assert!(Manifest::parse(&[bytes, b" "].concat()).is_err());
    }
});
