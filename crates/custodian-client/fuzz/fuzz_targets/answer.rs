//! What whoever listens at an address sends: any bytes give an answer or an error, in the time that is allowed.
#![no_main]

use std::sync::{LazyLock, Mutex};

use casemate_custodian_client::parsers;
use casemate_testing::Server;
use libfuzzer_sys::fuzz_target;

static BYTES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::sending(|_| BYTES.lock().expect("one writer").clone()));

fuzz_target!(|bytes: &[u8]| {
    *BYTES.lock().expect("one writer") = bytes.to_vec();
    let _ = parsers::answer(&SERVER.address());
});
