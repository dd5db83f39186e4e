//! Instance certificates, right and wrong.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use crate::text::{b64, b64u, time_text};

const PAYLOAD_TYPE: &str = "application/vnd.casemate.instance.v1+json";

/// A key that signs.
#[derive(Debug)]
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// A fresh one.
    ///
    /// # Panics
    /// When the library has no entropy.
    #[must_use]
    pub fn new() -> Self {
        Self(Ed25519KeyPair::generate().expect("entropy"))
    }

    /// `ed25519:…`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("ed25519:{}", b64u(self.0.public_key()))
    }

    /// Its public key.
    ///
    /// # Panics
    /// Never: Ed25519 keys have 32 bytes.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().expect("32 bytes")
    }

    /// The header of an instance certificate with this very payload, right or wrong.
    #[must_use]
    pub fn certificate_over(&self, payload: &[u8]) -> String {
        let signature = self.dsse(PAYLOAD_TYPE, payload);
        b64u(json!({"payloadType": PAYLOAD_TYPE, "payload": b64(payload), "signatures": [signature]}).to_string())
    }

    /// One signature of an envelope (DSSE, protocol.md).
    fn dsse(&self, payload_type: &str, payload: &[u8]) -> Value {
        let mut signed = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
        signed.extend_from_slice(payload);
        json!({"keyid": self.text(), "sig": self.sign(&signed)})
    }

    pub(crate) fn sign(&self, message: &[u8]) -> String {
        b64(self.0.sign(message))
    }
}

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}

/// What an instance certificate says. Every field can be changed before it is signed.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The payload type that is signed and sent.
    pub payload_type: String,
    /// The payload.
    pub payload: Value,
    /// How often the one signature is in the envelope.
    pub signatures: usize,
    /// What the envelope says of its type, if not what is signed.
    pub claimed_type: Option<String>,
    /// What the signature says of its key, if not the key that signs.
    pub claimed_key: Option<String>,
    /// Spaces before the envelope.
    pub spaces: usize,
}

impl Certificate {
    /// For an instance key of the custodian `identity`, from a minute before `now` to an hour after it.
    #[must_use]
    pub fn new(identity: &str, instance: &Signer, now: i64) -> Self {
        Self {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: json!({"casemate_instance": 1, "custodian": identity, "key": instance.text(),
                            "sealing_key": format!("x25519:{}", b64u([7; 32])),
                            "not_before": time_text(now - 60), "not_after": time_text(now + 3600)}),
            signatures: 1,
            claimed_type: None,
            claimed_key: None,
            spaces: 0,
        }
    }

    /// The content of a `Casemate-Instance` header, signed by `identity_key`.
    #[must_use]
    pub fn header(&self, identity_key: &Signer) -> String {
        let payload = self.payload.to_string();
        let mut signature = identity_key.dsse(&self.payload_type, payload.as_bytes());
        if let Some(key) = &self.claimed_key {
            signature["keyid"] = json!(key);
        }
        let signatures = vec![signature; self.signatures];
        let claimed = self.claimed_type.as_ref().unwrap_or(&self.payload_type);
        let envelope = json!({"payloadType": claimed, "payload": b64(payload), "signatures": signatures});
        b64u(format!("{}{envelope}", " ".repeat(self.spaces)))
    }
}
