//! The platform channel of a custodian (spec/manifest.md): its only way to the platform.
//!
//! The shield computes report data itself, with purpose `custodian/v1` or `ra-tls/v1`: no custodian code can obtain
//! evidence that looks like a workload's, and what is made for a caller's nonce never looks like a certificate's.

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
    Evidence(Asked),
    RaTls(Asked),
}

/// What evidence is asked over, besides the manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    nonce: String,
    custodian: String,
    signing_key: String,
    hpke_key: String,
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
        Request::Evidence(asked) => evidence(Purpose::Custodian, &asked, platform, domain),
        Request::RaTls(asked) => evidence(Purpose::RaTls, &asked, platform, domain),
    }
}

fn evidence(purpose: Purpose, asked: &Asked, platform: &mut dyn Platform, domain: &Domain) -> Result<Value, String> {
    let nonce = bytes("nonce", &asked.nonce)?;
    let custodian = digests::parse(&asked.custodian).ok_or("custodian: not a sha256 digest")?;
    let signing_key = key("signing_key", &asked.signing_key, "ed25519:")?;
    let hpke_key = key("hpke_key", &asked.hpke_key, "x25519:")?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use casemate_testing::UnsignedPlatform;

    const REPORT_DATA: std::ops::Range<usize> = 0x50..0x90;

    fn asked(operation: &str, more: &str) -> Result<Value, String> {
        let zeros = URL_SAFE_NO_PAD.encode([0; 32]);
        let custodian = "0".repeat(64);
        let request = format!(
            r#"{{"op":"{operation}","nonce":"{zeros}","custodian":"sha256:{custodian}","signing_key":"ed25519:{zeros}","hpke_key":"x25519:{zeros}"{more}}}"#
        );
        let domain = Domain {
            manifest_bytes: Vec::new(),
            manifest_digest: [0; 32],
        };
        answer(request.as_bytes(), &mut UnsignedPlatform::default(), &domain)
    }

    #[test]
    fn evidence_is_for_the_purpose_of_the_operation_and_no_other_can_be_had() {
        for (operation, purpose) in [("evidence", Purpose::Custodian), ("ra_tls", Purpose::RaTls)] {
            let told = asked(operation, "").unwrap();
            let report = URL_SAFE_NO_PAD
                .decode(told["evidence"]["report"].as_str().unwrap())
                .unwrap();
            let zeros = &[0; 32];
            assert_eq!(
                report[REPORT_DATA],
                report_data(purpose, zeros, zeros, zeros, zeros, zeros)
            );
        }
        assert!(asked("release", "").unwrap_err().contains("malformed request"));
    }

    #[test]
    fn a_field_that_is_not_known_is_refused() {
        for operation in ["evidence", "ra_tls"] {
            for more in [r#","purpose":"casemate/release/v1""#, r#","nonce":"""#] {
                assert!(asked(operation, more).unwrap_err().contains("malformed request"));
            }
        }
    }
}
