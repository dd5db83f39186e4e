//! The platform channel of a custodian (spec/manifest.md): its only way to the platform.
//!
//! The shield computes report data itself, with purpose `custodian/v1`: no custodian code can obtain evidence that
//! looks like a workload's.

use std::os::unix::net::UnixStream;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casemate_evidence::{Error, Platform, Purpose, frame, report_data};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::digests;

/// Context of the key that seals a custodian's store.
const SEALING_CONTEXT: &[u8] = b"casemate/custodian-seal/v1";

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    SealingKey {},
    Evidence {
        nonce: String,
        custodian: String,
        signing_key: String,
        hpke_key: String,
    },
}

/// What the channel knows of its domain.
#[derive(Debug)]
pub struct Domain {
    /// Bytes of the manifest.
    pub manifest_bytes: Vec<u8>,
    /// Their digest.
    pub manifest_digest: [u8; 32],
}

/// Answers requests until the workload closes its end or breaks the framing.
pub fn serve(mut channel: UnixStream, platform: &mut dyn Platform, domain: &Domain) {
    while let Ok(Some(request)) = frame::read(&mut channel) {
        let answer = answer(&request, platform, domain).unwrap_or_else(|error| json!({"error": error}));
        if frame::write(&mut channel, &answer).is_err() {
            return;
        }
    }
}

/// The answer to one request, or one line that says what is wrong with it.
///
/// # Errors
/// That line.
pub fn answer(request: &[u8], platform: &mut dyn Platform, domain: &Domain) -> Result<Value, String> {
    let request = serde_json::from_slice(request).map_err(|error| format!("malformed request: {error}"))?;
    match request {
        Request::SealingKey {} => {
            let key = platform.derive_key(SEALING_CONTEXT).map_err(one_line)?;
            Ok(json!({"key": URL_SAFE_NO_PAD.encode(*key)}))
        }
        Request::Evidence {
            nonce,
            custodian,
            signing_key,
            hpke_key,
        } => {
            let nonce = bytes("nonce", &nonce)?;
            let custodian = digests::parse(&custodian).ok_or("custodian: not a sha256 digest")?;
            let signing_key = key("signing_key", &signing_key, "ed25519:")?;
            let hpke_key = key("hpke_key", &hpke_key, "x25519:")?;
            let purpose = Purpose::Custodian;
            let data = report_data(
                purpose,
                &custodian,
                &nonce,
                &signing_key,
                &hpke_key,
                &domain.manifest_digest,
            );
            let evidence = platform.evidence(&data).map_err(one_line)?;
            Ok(json!({
                "evidence": evidence.evidence_json(),
                "endorsements": evidence.endorsements_json(),
                "manifest": URL_SAFE_NO_PAD.encode(&domain.manifest_bytes),
            }))
        }
    }
}

fn key(field: &str, text: &str, prefix: &str) -> Result<[u8; 32], String> {
    bytes(
        field,
        text.strip_prefix(prefix)
            .ok_or_else(|| format!("{field}: does not begin with {prefix}"))?,
    )
}

fn bytes(field: &str, text: &str) -> Result<[u8; 32], String> {
    let decoded = URL_SAFE_NO_PAD.decode(text).map(Zeroizing::new).ok();
    decoded
        .and_then(|d| d.as_slice().try_into().ok())
        .ok_or_else(|| format!("{field}: not 32 bytes of base64url"))
}

fn one_line(error: Error) -> String {
    error.to_string().replace(char::is_control, " ")
}
