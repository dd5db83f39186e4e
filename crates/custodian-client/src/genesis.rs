use casemate_wire::encoding::{digest, exact, from_b64u, key};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::Error;

/// A custodian's genesis record: its SHA-256 is the custodian's identity.
#[derive(Debug)]
pub struct Genesis {
    pub identity_key: [u8; 32],
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Form {
    casemate_custodian: u8,
    name: String,
    board: Board,
    identity_key: String,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    simulation_root: Option<String>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    container_simulation_root: Option<String>,
    random: String,
}

/// Who decides about the custodian is no concern of a shield; that somebody does is.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Board {
    principals: Map<String, Value>,
    rule: Map<String, Value>,
}

/// Longest name, in characters.
const MAX_NAME: usize = 128;

impl Genesis {
    /// Reads the canonical bytes of a record.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let form: Form = serde_json::from_slice(bytes).map_err(|error| unusable(&error.to_string()))?;
        if exact::<Form>(bytes).is_none() {
            return Err(unusable("it is not canonical JSON"));
        }
        if form.casemate_custodian != 1 || !(1..=MAX_NAME).contains(&form.name.chars().count()) {
            return Err(unusable("not a genesis record of version 1"));
        }
        if form.board.principals.is_empty() || form.board.rule.is_empty() {
            return Err(unusable("its board is empty"));
        }
        if form.simulation_root.is_some_and(|root| digest(&root).is_none()) {
            return Err(unusable("simulation_root"));
        }
        if form
            .container_simulation_root
            .is_some_and(|root| digest(&root).is_none())
        {
            return Err(unusable("container_simulation_root"));
        }
        if from_b64u(&form.random).is_none_or(|random| random.len() != 32) {
            return Err(unusable("random"));
        }
        let identity_key = key(&form.identity_key, "ed25519").ok_or_else(|| unusable("identity_key"))?;
        Ok(Self { identity_key })
    }
}

/// A field that is there has a value: null would be a second spelling of its absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn unusable(what: &str) -> Error {
    Error::Bundle(format!(
        "the custodian's genesis record: {}",
        what.replace(char::is_control, " ")
    ))
}
