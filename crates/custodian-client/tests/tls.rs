//! Handshakes with a server that has a custodian's certificate, or somebody else's.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use casemate_custodian_client::tls::PinnedCustodian;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection};
use serde_json::Value;

/// 2026-11-23T08:15:00Z, when the certificates of the vectors are valid.
const NOW: u64 = 1_795_421_700;

#[derive(Debug)]
struct Then(u64);

impl TimeProvider for Then {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../spec/vectors/results/ra-tls.json")).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// The certificate of the case with this name.
fn certificate(file: &Value, list: &str, name: &str) -> Vec<u8> {
    let found = file[list].as_array().unwrap().iter().find(|case| case["name"] == name);
    hex(found.unwrap()["certificate"].as_str().unwrap())
}

/// Until both are done, or the client refuses.
fn handshake(certificate: Vec<u8>, now: u64) -> Result<(), Error> {
    let file = vectors();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(hex(file["tls_key"].as_str().unwrap())));
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate)], key)
        .unwrap();
    let custodian = PinnedCustodian::of(file["genesis"].as_str().unwrap().as_bytes()).unwrap();
    let client = ClientConfig::builder_with_details(provider, Arc::new(Then(now)))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(custodian.into_verifier()))
        .with_no_client_auth();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from("10.0.0.1").unwrap()).unwrap();
    while client.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}

#[test]
fn a_server_with_the_pinned_custodians_certificate_is_spoken_with() {
    handshake(certificate(&vectors(), "good", "in its time"), NOW).unwrap();
}

#[test]
fn a_server_with_another_certificate_is_refused_with_the_reason() {
    for (name, reason) in [
        ("another custodian", "another custodian's"),
        ("a signature by a stranger", "does not vouch"),
        ("evidence alone", "the instance certificate's form"),
    ] {
        let refused = handshake(certificate(&vectors(), "hostile", name), NOW).unwrap_err();
        assert!(refused.to_string().contains(reason), "{name}: {refused}");
    }
}

#[test]
fn a_certificate_counts_in_its_time_only() {
    let late = handshake(certificate(&vectors(), "good", "in its time"), NOW + 24 * 60 * 60).unwrap_err();
    assert!(late.to_string().contains("not valid now"), "{late}");
}
