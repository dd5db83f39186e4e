use serde::Deserialize;

use crate::Error;

/// A problem document (RFC 9457). Only read after its signature verified.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Problem {
    #[serde(rename = "type")]
    _type: String,
    #[serde(rename = "title")]
    _title: String,
    #[serde(rename = "status")]
    _status: u16,
    code: String,
    id: String,
    step: Option<String>,
    got: Option<String>,
    #[serde(rename = "newest")]
    _newest: Option<String>,
    #[serde(rename = "detail")]
    _detail: Option<String>,
    wait: Option<u64>,
}

/// The refusal that a genuine answer with this status means. Server errors are no refusals: they may pass.
pub fn refusal(status: u16, body: &[u8]) -> Error {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if (400..500).contains(&status) && status != 429 => Error::Refused {
            code: one_line(problem.code),
            id: Some(one_line(problem.id)),
            step: problem.step.map(one_line),
            got: problem.got.map(one_line),
            wait: problem.wait,
        },
        Ok(problem) => Error::Unreachable(format!("it is busy or failing ({status}, {})", one_line(problem.code))),
        Err(_) => Error::Malformed("problem document"),
    }
}

fn one_line(text: String) -> String {
    text.replace(char::is_control, " ")
}
