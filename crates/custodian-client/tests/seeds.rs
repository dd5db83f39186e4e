//! Fuzz targets begin with something that is accepted: what is refused at once leads nowhere.

use casemate_custodian_client::parsers;
use casemate_testing::{Seed, Server, Signer, seeds};

/// As in fuzz/fuzz_targets/certificate.rs.
const GENESIS: &[u8] = include_bytes!("../fuzz/given/genesis");
const NOW: i64 = 1_795_421_700;

#[test]
fn every_seed_is_accepted() {
    for Seed { target, name, bytes } in seeds(env!("CARGO_MANIFEST_DIR")) {
        let read = match target.as_str() {
            "answer" => {
                let server = Server::sending(move |_| bytes.clone());
                parsers::answer(&server.address())
            }
            "configuration" => parsers::configuration(&bytes).map(drop),
            "genesis" => parsers::genesis(&bytes),
            "instance" => {
                let signer = Signer::new();
                parsers::instance(&signer.certificate_over(&bytes), &signer.public(), &[0xab; 32])
            }
            "problem" => Err(parsers::problem(&bytes)),
            "volume" => parsers::volume(&bytes),
            "certificate" => parsers::certificate(&bytes, GENESIS, NOW),
            // Cut up by the fuzzer, and only the key's owner could have made one that is accepted.
            "signature" => Ok(()),
            other => panic!("say here what target {other} accepts"),
        };
        match (target.as_str(), read) {
            // Problems are never accepted, but understood.
            ("problem", Err(error)) => assert!(error.to_string().contains("policy.denied"), "{error}"),
            (_, read) => assert!(read.is_ok(), "{target}/{name}: {read:?}"),
        }
    }
}
