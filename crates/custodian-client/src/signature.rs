//! HTTP message signatures: the strict profile of RFC 9421 that spec/protocol.md describes.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use casemate_wire::encoding::{b64, b64u, from_b64, sha256};

use crate::Error;
use crate::keys::SigningKey;

const REQUEST: &str = r#"("@method" "@path" "@query" "content-digest")"#;
const RESPONSE: &str = r#"("@status" "content-digest" "casemate-instance" "signature";req;key="casemate")"#;

/// Headers of a signed request.
#[derive(Debug)]
pub struct SignedRequest {
    pub content_digest: String,
    pub signature_input: String,
    pub signature: String,
}

/// Headers of an answer, as received.
#[derive(Debug, Default)]
pub struct AnswerHeaders {
    pub content_digest: String,
    pub instance: String,
    pub signature_input: String,
    pub signature: String,
}

/// `sha-256=:…:` of RFC 9530.
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", b64(&sha256(body)))
}

/// Signs a request without a query.
pub fn sign(key: &SigningKey, method: &str, path: &str, body: &[u8], created: i64, nonce: &[u8; 16]) -> SignedRequest {
    let digest = content_digest(body);
    let params = format!(
        r#"{REQUEST};created={created};nonce="{}";keyid="{}";alg="ed25519";tag="casemate-request-v1""#,
        b64u(nonce),
        key.public_text(),
    );
    let base = format!(
        "\"@method\": {method}\n\"@path\": {path}\n\"@query\": ?\n\"content-digest\": {digest}\n\"@signature-params\": {params}"
    );
    SignedRequest {
        content_digest: digest,
        signature_input: format!("casemate={params}"),
        signature: format!("casemate=:{}:", b64(&key.sign(base.as_bytes()))),
    }
}

/// Checks that the holder of `key` gave this answer, whole, to the request with this `Signature` header. When it says to
/// have done so, in seconds after the epoch.
pub fn verify(
    headers: &AnswerHeaders,
    status: u16,
    body: &[u8],
    request_signature: &str,
    key: &[u8; 32],
) -> Result<u64, Error> {
    let form = Error::NotGenuine {
        step: "the answer's signature is not of the documented form",
    };
    let Some(params) = headers.signature_input.strip_prefix("casemate=") else {
        return Err(form);
    };
    let Some(created) = created(params, key) else {
        return Err(form);
    };
    let (Some(bound), Some(signature)) = (value(request_signature), value(&headers.signature)) else {
        return Err(form);
    };
    let AnswerHeaders {
        content_digest: digest,
        instance,
        ..
    } = headers;
    let base = format!(
        "\"@status\": {status}\n\"content-digest\": {digest}\n\"casemate-instance\": {instance}\n\
         \"signature\";req;key=\"casemate\": :{bound}:\n\"@signature-params\": {params}"
    );
    let Some(bytes) = from_b64(signature) else {
        return Err(form);
    };
    UnparsedPublicKey::new(&ED25519, key)
        .verify(base.as_bytes(), &bytes)
        .map_err(|_| Error::NotGenuine {
            step: "the answer's signature does not verify",
        })?;
    if content_digest(body) != *digest {
        return Err(Error::NotGenuine {
            step: "the answer's body is not what was signed",
        });
    }
    Ok(created)
}

/// The time in exactly the documented parameters, in their order, by this key.
fn created(params: &str, key: &[u8; 32]) -> Option<u64> {
    let end = format!(
        r#";keyid="ed25519:{}";alg="ed25519";tag="casemate-response-v1""#,
        b64u(key)
    );
    params
        .strip_prefix(RESPONSE)
        .and_then(|rest| rest.strip_prefix(";created="))
        .and_then(|rest| rest.strip_suffix(end.as_str()))
        .filter(|text| is_number(text))?
        .parse()
        .ok()
}

/// Decimal, at most twelve digits, in the one usual spelling.
fn is_number(text: &str) -> bool {
    (1..=12).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'))
}

fn value(header: &str) -> Option<&str> {
    header
        .strip_prefix("casemate=:")?
        .strip_suffix(':')
        .filter(|value| value.len() == 88)
}
