//! Instance certificates: which key a custodian signs its answers with today.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;

use crate::Error;
use crate::encoding::{digest, from_b64, from_b64u, key, time};

const PAYLOAD_TYPE: &str = "application/vnd.casemate.instance.v1+json";
/// Longest life of a certificate, in seconds.
const LONGEST: i64 = 24 * 60 * 60;

/// A certificate that verified.
#[derive(Debug)]
pub struct Instance {
    /// Key of the custodian's answers.
    pub key: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    casemate_instance: u8,
    custodian: String,
    key: String,
    #[serde(rename = "sealing_key")]
    _sealing_key: String,
    not_before: String,
    not_after: String,
}

impl Instance {
    /// Checks a `Casemate-Instance` header: signed by the identity key, for this custodian, valid `now` (Unix seconds).
    pub fn verify(header: &str, identity_key: &[u8; 32], identity: &[u8; 32], now: i64) -> Result<Self, Error> {
        let form = "the instance certificate's form";
        let bytes = from_b64u(header).ok_or(Error::NotGenuine { step: form })?;
        let envelope: Envelope = serde_json::from_slice(&bytes).map_err(|_| Error::NotGenuine { step: form })?;
        let payload = signed_payload(&envelope, identity_key)?;
        let certificate: Certificate =
            serde_json::from_slice(&payload).map_err(|_| Error::NotGenuine { step: form })?;
        if certificate.casemate_instance != 1 || digest(&certificate.custodian).as_ref() != Some(identity) {
            return Err(Error::NotGenuine {
                step: "the instance certificate is another custodian's",
            });
        }
        check_times(&certificate, now)?;
        let key = key(&certificate.key, "ed25519").ok_or(Error::NotGenuine { step: form })?;
        Ok(Self { key })
    }
}

fn signed_payload(envelope: &Envelope, identity_key: &[u8; 32]) -> Result<Vec<u8>, Error> {
    let step = "the instance certificate's signature";
    let [signature] = envelope.signatures.as_slice() else {
        return Err(Error::NotGenuine { step });
    };
    if envelope.payload_type != PAYLOAD_TYPE || key(&signature.keyid, "ed25519").as_ref() != Some(identity_key) {
        return Err(Error::NotGenuine { step });
    }
    let payload = from_b64(&envelope.payload).ok_or(Error::NotGenuine { step })?;
    let mut signed = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    signed.extend_from_slice(&payload);
    let bytes = from_b64(&signature.sig).ok_or(Error::NotGenuine { step })?;
    UnparsedPublicKey::new(&ED25519, identity_key)
        .verify(&signed, &bytes)
        .map_err(|_| Error::NotGenuine { step })?;
    Ok(payload)
}

fn check_times(certificate: &Certificate, now: i64) -> Result<(), Error> {
    let step = "the instance certificate's times";
    let start = time(&certificate.not_before).ok_or(Error::NotGenuine { step })?;
    let end = time(&certificate.not_after).ok_or(Error::NotGenuine { step })?;
    if end - start > LONGEST || !(start..=end).contains(&now) {
        return Err(Error::NotGenuine {
            step: "the instance certificate is not valid now (is the clock right?)",
        });
    }
    Ok(())
}
