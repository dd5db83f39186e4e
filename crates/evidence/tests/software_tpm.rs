//! Against swtpm, a TPM in software (scripts/debian-packages.txt): bound, quoted, and refused what it should be.

use std::path::Path;

use casemate_evidence::tpm::{Key, TpmPlatform, manifest_pcr};
use casemate_evidence::{Binding, Error, Format, Platform};
use casemate_testing::SoftwareTpm;

fn open(tpm: &SoftwareTpm) -> TpmPlatform {
    TpmPlatform::open(&tpm.socket(), Key::Usual).expect("a TPM")
}

/// TPM2B_PUBLIC and the values behind it: what does not change from one quote to the next, for one key.
fn key_and_values(report: &[u8]) -> &[u8] {
    // TPM2B_PUBLIC of a P-256 key has 90 bytes.
    &report[report.len() - 16 * 32 - 90..]
}

#[test]
fn a_manifest_is_bound_once_and_every_quote_says_so() {
    let tpm = SoftwareTpm::start();
    let mut platform = open(&tpm);
    let before = platform.evidence(&[1; 64]).unwrap();
    assert_eq!(before.format, Format::Tpm);
    assert!(matches!(
        platform.binding(&before, &[7; 32]).unwrap(),
        Binding::Another(_)
    ));
    platform.bind(&[7; 32]).unwrap();
    let after = platform.evidence(&[2; 64]).unwrap();
    assert_eq!(platform.binding(&after, &[7; 32]).unwrap(), Binding::This);
    assert!(after.report.ends_with(&manifest_pcr(&[7; 32])));
    drop(platform);
    // A key is the same each time, and none is left behind: there is room for three.
    for _ in 0..5 {
        let mut again = open(&tpm);
        let evidence = again.evidence(&[3; 64]).unwrap();
        assert_eq!(key_and_values(&evidence.report), key_and_values(&after.report));
        assert!(matches!(again.bind(&[7; 32]), Err(Error::Bound(_))));
        assert!(matches!(again.bind(&[8; 32]), Err(Error::Bound(_))));
    }
}

#[test]
fn a_handle_under_which_there_is_nothing_is_refused() {
    let tpm = SoftwareTpm::start();
    let mut platform = TpmPlatform::open(&tpm.socket(), Key::Persistent(0x8100_0003)).unwrap();
    let error = platform.evidence(&[0; 64]).unwrap_err().to_string();
    assert!(error.contains("there is nothing under this handle"), "{error}");
}

#[test]
fn what_is_no_tpm_is_not_opened() {
    for path in ["/none", "/etc/passwd"] {
        assert!(matches!(
            TpmPlatform::open(Path::new(path), Key::Usual),
            Err(Error::Device { .. })
        ));
    }
    // A device that gives nothing back.
    let mut null = TpmPlatform::open(Path::new("/dev/null"), Key::Usual).unwrap();
    assert!(matches!(null.evidence(&[0; 64]), Err(Error::Malformed(_))));
}
