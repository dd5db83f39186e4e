//! One shield's side of the protocol, against a server that a test scripts.

use std::sync::Arc;

use casemate_custodian_client::{Custodian, Error, Release};
use casemate_testing::{Answer, Request, Server, UnsignedPlatform};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const MANIFEST: &[u8] = b"manifest";
pub const GENESIS: [u8; 32] = [4; 32];

pub fn configuration() -> Value {
    json!({"casemate_configuration": 1, "holes": {"token": "hunter2"}, "files": []})
}

/// Asks whoever is at `addresses`, as a shield that pins `custodian`.
pub fn attest(custodian: &casemate_testing::Custodian, addresses: &[String]) -> Result<Release, Error> {
    attest_with(custodian, addresses, &[])
}

/// Likewise, with release statements.
#[allow(dead_code, reason = "not every test file sends some")]
pub fn attest_with(
    custodian: &casemate_testing::Custodian,
    addresses: &[String],
    statements: &[Vec<u8>],
) -> Result<Release, Error> {
    let pinned = Custodian::pinned(&custodian.genesis, &custodian.identity(), addresses)?;
    let digest = Sha256::digest(MANIFEST).into();
    let mut platform = UnsignedPlatform { host_data: digest };
    pinned.attest(&mut platform, MANIFEST, &digest, &GENESIS, statements)
}

/// What comes of attesting to a genuine custodian whose every answer passes through `spoil`.
#[allow(dead_code, reason = "not every test file spoils whole answers")]
pub fn spoiled(
    custodian: casemate_testing::Custodian,
    spoil: impl Fn(&Request, Answer) -> Answer + Send + 'static,
) -> Result<Release, Error> {
    let custodian = Arc::new(custodian);
    let own = Arc::clone(&custodian);
    let server =
        Server::sending(move |request| spoil(request, own.genuine(request, GENESIS, &configuration())).to_bytes());
    attest(&custodian, &[server.address()])
}

#[allow(dead_code, reason = "not every test file looks at steps")]
#[track_caller]
pub fn assert_not_genuine(outcome: Result<Release, Error>, words: &str, what: &str) {
    match outcome {
        Err(Error::NotGenuine { step }) if step.contains(words) => {}
        other => panic!("{what}: a step with {words:?} expected, got {other:?}"),
    }
}
