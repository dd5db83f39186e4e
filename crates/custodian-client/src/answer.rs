//! From a raw answer to one that may be believed, in the order of spec/protocol.md.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Error;
use crate::http::{Line, Raw};
use crate::instance::Instance;
use crate::keys::{SigningKey, random};
use crate::problem::refusal;
use crate::signature::{SignedRequest, sign, verify};

/// The custodian that a manifest pins, and a key to ask it with.
#[derive(Debug)]
pub struct Channel {
    pub line: Line,
    pub identity: [u8; 32],
    pub identity_key: [u8; 32],
    pub key: SigningKey,
}

impl Channel {
    /// Signs and posts `value` to one address after the other, until one gives an answer that verifies; only then parses.
    pub fn ask<A: DeserializeOwned>(&self, path: &str, value: &Value) -> Result<A, Error> {
        self.ask_for_time(path, value).map(|(answer, _)| answer)
    }

    /// The same, and when the custodian gave the answer, by its own clock: seconds after the epoch, signed.
    pub fn ask_for_time<A: DeserializeOwned>(&self, path: &str, value: &Value) -> Result<(A, u64), Error> {
        let body = serde_json::to_vec(value).map_err(|_| Error::Malformed("request"))?;
        let now = now();
        let signed = sign(&self.key, "POST", path, &body, now, &random()?);
        let mut failures = Vec::new();
        for address in self.line.addresses() {
            let raw = self.line.post(address, path, &body, &signed);
            match raw.and_then(|raw| self.believe(raw, &signed, now)) {
                Ok((raw, created)) => return Ok((read(&raw)?, created)),
                Err(failure) => failures.push(failure),
            }
        }
        Err(gravest(failures))
    }

    fn believe(&self, raw: Raw, signed: &SignedRequest, now: i64) -> Result<(Raw, u64), Error> {
        // 1, 2. The instance certificate, under the pinned identity key, now.
        let instance = Instance::verify(&raw.headers.instance, &self.identity_key, &self.identity, now)?;
        // 3, 4. This instance gave this answer, whole, to this very request.
        let created = verify(&raw.headers, raw.status, &raw.body, &signed.signature, &instance.key)?;
        Ok((raw, created))
    }
}

/// 5. What was verified may be read.
fn read<A: DeserializeOwned>(raw: &Raw) -> Result<A, Error> {
    if raw.status != 200 {
        return Err(refusal(raw.status, &raw.body));
    }
    serde_json::from_slice(&raw.body).map_err(|_| Error::Malformed("answer"))
}

/// That somebody poses as the custodian says more than that others are silent.
fn gravest(mut failures: Vec<Error>) -> Error {
    if let Some(at) = failures
        .iter()
        .position(|failure| !matches!(failure, Error::Unreachable(_)))
    {
        return failures.swap_remove(at);
    }
    let reasons = failures.iter().filter_map(|failure| match failure {
        Error::Unreachable(why) => Some(why.as_str()),
        _ => None,
    });
    Error::Unreachable(reasons.collect::<Vec<_>>().join(", "))
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}
