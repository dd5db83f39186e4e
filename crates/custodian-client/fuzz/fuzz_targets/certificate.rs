//! Certificates of a custodian's TLS: any bytes but the seed's are refused, in one line.
#![no_main]

use casemate_custodian_client::parsers;
use libfuzzer_sys::fuzz_target;

/// Of spec/vectors/results/ra-tls.json: a custodian, a certificate that it vouches for, and when it does.
const GENESIS: &[u8] = include_bytes!("../given/genesis");
const SEED: &[u8] = include_bytes!("../seeds/certificate/one");
const NOW: i64 = 1_795_421_700;

fuzz_target!(
    init: {
        // Else nothing would ever be looked at.
        assert!(parsers::certificate(SEED, GENESIS, NOW).is_ok());
    },
    |bytes: &[u8]| {
        match parsers::certificate(bytes, GENESIS, NOW) {
            Ok(()) => assert_eq!(bytes, SEED),
            Err(error) => assert!(!error.to_string().contains('\n')),
        }
    }
);
