//! From a raw answer to one that may be believed, in the order of spec/protocol.md.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::http::Line;
use crate::instance::Instance;
use crate::keys::{SigningKey, random};
use crate::problem::refusal;
use crate::signature::{sign, verify};

/// The custodian that a manifest pins, and a key to ask it with.
#[derive(Debug)]
pub struct Channel {
    pub line: Line,
    pub identity: [u8; 32],
    pub identity_key: [u8; 32],
    pub key: SigningKey,
}

impl Channel {
    /// Signs and posts `value`; verifies; only then parses.
    pub fn ask<A: DeserializeOwned>(&self, path: &str, value: &Value) -> Result<A, Error> {
        let body = serde_json::to_vec(value).map_err(|_| Error::Malformed("request"))?;
        let now = now();
        let signed = sign(&self.key, "POST", path, &body, now, &random()?);
        let raw = self.line.post(path, &body, &signed)?;
        // 1, 2. The instance certificate, under the pinned identity key, now.
        let instance = Instance::verify(&raw.headers.instance, &self.identity_key, &self.identity, now)?;
        // 3, 4. This instance gave this answer, whole, to this very request.
        verify(&raw.headers, raw.status, &raw.body, &signed.signature, &instance.key)?;
        // 5. Now it may be read.
        if raw.status != 200 {
            return Err(refusal(raw.status, &raw.body));
        }
        serde_json::from_slice(&raw.body).map_err(|_| Error::Malformed("answer"))
    }
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}
