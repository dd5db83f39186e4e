//! A custodian that signs and seals as spec/protocol.md says, and believes everybody.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{Hpke, HpkePublicKey};
use serde_json::{Value, json};

use crate::certificate::{Certificate, Signer};
use crate::http::{Answer, Request};
use crate::text::{b64, b64u, bind, digest_text, from_b64u, sha256};

/// Components of an answer's signature.
const COMPONENTS: &str = r#"("@status" "content-digest" "casemate-instance" "signature";req;key="casemate")"#;
/// Every nonce: freshness is for custodians that decide something.
const NONCE: [u8; 32] = [9; 32];

/// What a release is made of. Every field can be changed before it is sealed.
#[derive(Clone, Debug)]
pub struct Release {
    /// The plaintext.
    pub configuration: Vec<u8>,
    /// Identity of the custodian, in `info`.
    pub custodian: [u8; 32],
    /// The nonce, in `info`.
    pub nonce: [u8; 32],
    /// The manifest's digest, in `info`.
    pub manifest: [u8; 32],
    /// The policy's genesis, in `info` and in clear.
    pub genesis: [u8; 32],
    /// Version of the policy, in `info` and in clear.
    pub version: [u8; 32],
    /// The key that is attested, in `info`.
    pub signing_key: Vec<u8>,
    /// The key to which it is sealed.
    pub hpke_key: Vec<u8>,
    /// The lease.
    pub lease: Value,
}

/// A custodian.
#[derive(Debug)]
pub struct Custodian {
    /// Signs instance certificates.
    pub identity_key: Signer,
    /// Signs answers.
    pub instance: Signer,
    /// The certificate that answers carry, before its signature.
    pub certificate: Certificate,
    /// Its genesis record.
    pub genesis: Vec<u8>,
}

impl Custodian {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        let (identity_key, instance) = (Signer::new(), Signer::new());
        let board = json!({"principals": {"alice": {"key": identity_key.text()}}, "rule": {"any": ["alice"]}});
        let genesis = json!({"casemate_custodian": 1, "name": "test", "board": board, "identity_key": identity_key.text(),
                             "random": b64u([1; 32])});
        let genesis = genesis.to_string().into_bytes();
        let certificate = Certificate::new(&digest_text(&sha256(&genesis)), &instance, now());
        Self {
            identity_key,
            instance,
            certificate,
            genesis,
        }
    }

    /// Its identity.
    #[must_use]
    pub fn identity(&self) -> [u8; 32] {
        sha256(&self.genesis)
    }

    /// A signed answer.
    #[must_use]
    pub fn answer(&self, request: &Request, status: u16, body: &Value) -> Answer {
        self.answer_bytes(request, status, body.to_string().into_bytes())
    }

    /// A signed answer with this very body.
    #[must_use]
    pub fn answer_bytes(&self, request: &Request, status: u16, body: Vec<u8>) -> Answer {
        let instance = self.certificate.header(&self.identity_key);
        let digest = format!("sha-256=:{}:", b64(sha256(&body)));
        let params = format!(
            r#"{COMPONENTS};created={};keyid="{}";alg="ed25519";tag="casemate-response-v1""#,
            now(),
            self.instance.text()
        );
        let bound = request.header("signature").trim_start_matches("casemate=");
        let base = format!(
            "\"@status\": {status}\n\"content-digest\": {digest}\n\"casemate-instance\": {instance}\n\
             \"signature\";req;key=\"casemate\": {bound}\n\"@signature-params\": {params}"
        );
        let signature = format!("casemate=:{}:", self.instance.sign(base.as_bytes()));
        let header = |name: &str, value: String| (name.to_owned(), value);
        let headers = vec![
            header("content-type", "application/json".to_owned()),
            header("content-digest", digest),
            header("casemate-instance", instance),
            header("signature-input", format!("casemate={params}")),
            header("signature", signature),
        ];
        Answer { status, headers, body }
    }

    /// A signed problem document.
    #[must_use]
    pub fn problem(&self, request: &Request, status: u16, code: &str) -> Answer {
        let problem = json!({"type": format!("https://casemate.dev/problems/{code}"), "title": "no", "status": status,
                             "code": code, "id": "ab".repeat(20)});
        self.answer(request, status, &problem)
    }

    /// The answer to a request for a nonce.
    #[must_use]
    pub fn challenge(&self, request: &Request) -> Answer {
        self.answer(request, 200, &json!({"nonce": b64u(NONCE), "expires_in": 60}))
    }

    /// What a genuine release for this request is made of.
    #[must_use]
    pub fn release(&self, request: &Request, genesis: [u8; 32], configuration: &Value) -> Release {
        let text = |name: &str| request.field(name).as_str().unwrap_or_default().to_owned();
        let key = |name: &str| from_b64u(text(name).split_once(':').map_or("", |(_, key)| key));
        Release {
            configuration: configuration.to_string().into_bytes(),
            custodian: self.identity(),
            nonce: NONCE,
            manifest: sha256(&from_b64u(&text("manifest"))),
            genesis,
            version: [5; 32],
            signing_key: key("signing_key"),
            hpke_key: key("hpke_key"),
            lease: json!({"id": b64u([3; 16]), "seconds": 300}),
        }
    }

    /// The signed answer with a release in it.
    #[must_use]
    pub fn released(&self, request: &Request, release: &Release) -> Answer {
        self.answer(request, 200, &release.to_json())
    }

    /// The genuine answer to any request of a shield: nonce, release of `configuration`, renewal for 300 seconds.
    #[must_use]
    pub fn genuine(&self, request: &Request, genesis: [u8; 32], configuration: &Value) -> Answer {
        match request.path.as_str() {
            "/v1/challenges" => self.challenge(request),
            "/v1/attestations" => self.released(request, &self.release(request, genesis, configuration)),
            path if path.ends_with("/renewals") => self.renewal(request, 300),
            _ => self.problem(request, 404, "request.not_found"),
        }
    }

    /// The answer to a renewal: the number that was asked for.
    #[must_use]
    pub fn renewal(&self, request: &Request, seconds: u64) -> Answer {
        let sequence = request.field("sequence");
        self.answer(request, 200, &json!({"sequence": sequence, "seconds": seconds}))
    }
}

impl Default for Custodian {
    fn default() -> Self {
        Self::new()
    }
}

impl Release {
    /// The body of the answer.
    ///
    /// # Panics
    /// When `hpke_key` is no X25519 key.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"result": "e30.e30.", "decision": "ab".repeat(20), "lease": self.lease,
               "policy": {"genesis": digest_text(&self.genesis), "version": digest_text(&self.version), "number": 1},
               "configuration": b64u(self.sealed())})
    }

    fn sealed(&self) -> Vec<u8> {
        let info = bind(&[
            b"casemate/release/v1",
            &self.custodian,
            &self.nonce,
            &self.manifest,
            &self.genesis,
            &self.version,
            &self.signing_key,
        ]);
        let key = HpkePublicKey(self.hpke_key.clone());
        let sealed = SUITE.seal(&info, &[], &self.configuration, &key);
        let (encapsulated, ciphertext) = sealed.expect("an X25519 key");
        [encapsulated.0, ciphertext].concat()
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
