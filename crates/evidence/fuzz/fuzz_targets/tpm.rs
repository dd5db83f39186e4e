//! What a TPM answers, one answer after the other: any bytes give evidence, a bound manifest or an error.
#![no_main]

use casemate_evidence::Platform;
use libfuzzer_sys::fuzz_target;

#[path = "../given/tpm.rs"]
mod tpm;

fuzz_target!(|bytes: &[u8]| {
    let Some((mut platform, for_evidence)) = tpm::answering(bytes) else {
        return;
    };
    if for_evidence {
        if let Ok(evidence) = platform.evidence(&[0; 64]) {
            let _ = platform.binding(&evidence, &[0; 32]);
        }
    } else {
        let _ = platform.bind(&[0; 32]);
    }
});
