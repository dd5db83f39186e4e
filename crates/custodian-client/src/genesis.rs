use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::encoding::key;

/// A custodian's genesis record: its SHA-256 is the custodian's identity.
#[derive(Debug)]
pub struct Genesis {
    pub identity_key: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    casemate_custodian: u8,
    name: String,
    #[serde(rename = "board")]
    _board: Value,
    identity_key: String,
    #[serde(rename = "simulation_root")]
    _simulation_root: Option<String>,
    #[serde(rename = "random")]
    _random: String,
}

impl Genesis {
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let form: Form = serde_json::from_slice(bytes).map_err(|error| unusable(&error.to_string()))?;
        if form.casemate_custodian != 1 || form.name.is_empty() {
            return Err(unusable("not a genesis record of version 1"));
        }
        let identity_key = key(&form.identity_key, "ed25519").ok_or_else(|| unusable("identity_key"))?;
        Ok(Self { identity_key })
    }
}

fn unusable(what: &str) -> Error {
    Error::Bundle(format!(
        "the custodian's genesis record: {}",
        what.replace(char::is_control, " ")
    ))
}
