//! Handshakes over connections of this machine: with a server, or from a client, that is attested.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod given;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use casemate_ra_tls::AttestedPeer;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use given::{Case, by_evidence, case, hex, text};

const REQUEST: &[u8] = b"a secret";
const ANSWER: &[u8] = b"an answer";

#[derive(Debug)]
struct Then(u64);

impl TimeProvider for Then {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn then(case: &Case) -> Arc<Then> {
    Arc::new(Then(u64::try_from(case.at).unwrap()))
}

/// The certificate of a case, with its key.
fn identity(case: &Case) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = PrivatePkcs8KeyDer::from(hex(text(&by_evidence(), "tls_key")));
    (
        vec![CertificateDer::from(case.certificate.clone())],
        PrivateKeyDer::Pkcs8(key),
    )
}

/// What the server heard, and what the client got or why it did not.
fn speak(server: ServerConfig, client: ClientConfig) -> (Vec<u8>, Result<Vec<u8>, String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(server)).unwrap(), socket);
        let mut heard = vec![0; REQUEST.len()];
        match stream.read_exact(&mut heard).and_then(|()| stream.write_all(ANSWER)) {
            Ok(()) => heard,
            Err(_) => Vec::new(),
        }
    });
    let name = ServerName::try_from("10.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let mut answer = vec![0; ANSWER.len()];
    let got = stream.write_all(REQUEST).and_then(|()| stream.read_exact(&mut answer));
    drop(stream);
    (
        serving.join().unwrap(),
        got.map(|()| answer).map_err(|error| error.to_string()),
    )
}

fn server(case: &Case) -> ServerConfig {
    let (certificates, key) = identity(case);
    let building = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap();
    building
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap()
}

fn client(peer: AttestedPeer, case: &Case) -> ClientConfig {
    ClientConfig::builder_with_details(provider(), then(case))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(peer.into_verifier()))
        .with_no_client_auth()
}

#[test]
fn a_server_that_is_wanted_is_spoken_with() {
    for name in ["of a workload", "of a custodian", "in a container"] {
        let case = case(name);
        let (heard, got) = speak(server(&case), client(case.peer.clone(), &case));
        assert_eq!((heard, got), (REQUEST.to_vec(), Ok(ANSWER.to_vec())), "{name}");
    }
}

#[test]
fn another_server_hears_nothing_and_the_client_says_why() {
    for name in [
        "under another custodian",
        "of another manifest",
        "with debug",
        "no longer",
        "on no platform",
    ] {
        let case = case(name);
        let (heard, got) = speak(server(&case), client(case.peer.clone(), &case));
        assert_eq!(heard, b"", "{name}");
        assert!(
            got.unwrap_err().contains(case.outcome["step"].as_str().unwrap()),
            "{name}"
        );
    }
}

#[test]
fn a_server_that_has_not_the_certificates_key_is_refused() {
    // The certificate is another key's, and its evidence as well: the server signs with one that it does not speak of.
    let (right, stranger) = (case("of a workload"), case("over another key"));
    let (_, key) = identity(&right);
    let signing = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key).unwrap();
    let certified = rustls::sign::CertifiedKey::new(identity(&stranger).0, signing);
    let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
    let building = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap();
    let server = building.with_no_client_auth().with_cert_resolver(resolver);
    #[derive(Debug)]
    struct Anybody;
    impl casemate_ra_tls::tls::Judge for Anybody {
        type Error = casemate_ra_tls::Error;

        fn judge(&self, _certificate: &[u8], _now: i64) -> Result<(), Self::Error> {
            Ok(())
        }
    }
    let verifier = casemate_ra_tls::tls::CertificateVerifier::new(Anybody);
    let client = ClientConfig::builder_with_details(provider(), then(&right))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let (heard, got) = speak(server, client);
    assert_eq!(heard, b"");
    assert!(got.unwrap_err().contains("BadSignature"));
}

#[test]
fn a_client_is_asked_for_its_evidence_too() {
    for (name, wanted) in [("of a workload", true), ("of another runtime", false)] {
        let case = case(name);
        let right = given::case("of a workload");
        let (certificates, key) = identity(&case);
        let server = ServerConfig::builder_with_details(provider(), then(&case))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(case.peer.clone().into_verifier()))
            .with_single_cert(identity(&right).0, identity(&right).1)
            .unwrap();
        let client = ClientConfig::builder_with_details(provider(), then(&right))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(right.peer.clone().into_verifier()))
            .with_client_auth_cert(certificates, key)
            .unwrap();
        let (heard, got) = speak(server, client);
        assert_eq!((heard == REQUEST, got.is_ok()), (wanted, wanted), "{name}");
    }
}
