//! Instance certificates: which key a custodian signs its answers with today.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use casemate_wire::encoding::{digest, exact, from_b64, from_b64u, key, plain, time};
use serde::{Deserialize, Serialize};

use crate::Error;

const PAYLOAD_TYPE: &str = "application/vnd.casemate.instance.v1+json";
/// Longest life of a certificate, in seconds.
const LONGEST: i64 = 24 * 60 * 60;
/// Longest header; a certificate has some 900 characters.
const MAX_HEADER: usize = 8192;

/// A certificate that verified.
#[derive(Debug)]
pub struct Instance {
    /// Key of the custodian's answers.
    pub key: [u8; 32],
    /// What is sealed to the custodian is sealed to this.
    #[cfg_attr(
        not(feature = "tls"),
        expect(dead_code, reason = "only who judges a certificate compares it")
    )]
    pub sealing_key: [u8; 32],
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    casemate_instance: u8,
    custodian: String,
    key: String,
    sealing_key: String,
    not_before: String,
    not_after: String,
}

const FORM: Error = Error::NotGenuine {
    step: "the instance certificate's form",
};
const SIGNATURE: Error = Error::NotGenuine {
    step: "the instance certificate's signature",
};

impl Instance {
    /// Checks a `Casemate-Instance` header: signed by the identity key, for this custodian, valid `now` (Unix seconds).
    pub fn verify(header: &str, identity_key: &[u8; 32], identity: &[u8; 32], now: i64) -> Result<Self, Error> {
        if header.len() > MAX_HEADER {
            return Err(FORM);
        }
        let bytes = from_b64u(header).ok_or(FORM)?;
        let envelope: Envelope = plain(&bytes).ok_or(FORM)?;
        let payload = signed_payload(&envelope, identity_key)?;
        let certificate: Certificate = exact(&payload).ok_or(FORM)?;
        let custodian = digest(&certificate.custodian).ok_or(FORM)?;
        let own_key = key(&certificate.key, "ed25519").ok_or(FORM)?;
        let sealing_key = key(&certificate.sealing_key, "x25519").ok_or(FORM)?;
        if certificate.casemate_instance != 1 {
            return Err(FORM);
        }
        if custodian != *identity {
            return Err(Error::NotGenuine {
                step: "the instance certificate is another custodian's",
            });
        }
        check_times(&certificate, now)?;
        Ok(Self {
            key: own_key,
            sealing_key,
        })
    }
}

fn signed_payload(envelope: &Envelope, identity_key: &[u8; 32]) -> Result<Vec<u8>, Error> {
    let signature = match envelope.signatures.as_slice() {
        [signature] => signature,
        [] => return Err(FORM),
        _ => return Err(SIGNATURE),
    };
    let signer = key(&signature.keyid, "ed25519").ok_or(FORM)?;
    let bytes = from_b64(&signature.sig).filter(|sig| sig.len() == 64).ok_or(FORM)?;
    let payload = from_b64(&envelope.payload).ok_or(FORM)?;
    if envelope.payload_type != PAYLOAD_TYPE || signer != *identity_key {
        return Err(SIGNATURE);
    }
    let mut signed = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    signed.extend_from_slice(&payload);
    UnparsedPublicKey::new(&ED25519, identity_key)
        .verify(&signed, &bytes)
        .map_err(|_| SIGNATURE)?;
    Ok(payload)
}

fn check_times(certificate: &Certificate, now: i64) -> Result<(), Error> {
    let start = time(&certificate.not_before).ok_or(FORM)?;
    let end = time(&certificate.not_after).ok_or(FORM)?;
    if end - start > LONGEST || !(start..=end).contains(&now) {
        return Err(Error::NotGenuine {
            step: "the instance certificate is not valid now (is the clock right?)",
        });
    }
    Ok(())
}
