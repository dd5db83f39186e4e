//! SEV-SNP evidence of which one part is any bytes, and the others are right: report, certificates, or a list more.
//! Nobody has a key here, so nothing new may verify.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../given/sev_snp.rs"]
mod sev_snp;

fuzz_target!(|bytes: &[u8]| {
    match sev_snp::judged(bytes) {
        Some((report, Ok(_))) => assert!(report == sev_snp::REPORT),
        Some((_, Err(error))) => assert!(!error.to_string().contains('\n')),
        None => {}
    }
});
