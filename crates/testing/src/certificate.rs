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
        }
    }

    /// The content of a `Casemate-Instance` header, signed by `identity_key`.
    #[must_use]
    pub fn header(&self, identity_key: &Signer) -> String {
        let payload = self.payload.to_string();
        let signed = format!(
            "DSSEv1 {} {} {} {payload}",
            self.payload_type.len(),
            self.payload_type,
            payload.len()
        );
        let signature = json!({"keyid": identity_key.text(), "sig": identity_key.sign(signed.as_bytes())});
        let signatures = vec![signature; self.signatures];
        let envelope = json!({"payloadType": self.payload_type, "payload": b64(payload), "signatures": signatures});
        b64u(envelope.to_string())
    }
}
