//! `spec/vectors/report-data.json`: what Python computes as well.
#![allow(clippy::unwrap_used, clippy::panic)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casemate_evidence::{Purpose, bind, report_data};
use serde_json::Value;

const FILE: &str = include_str!("../../../spec/vectors/report-data.json");

fn file() -> Value {
    serde_json::from_str(FILE).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// 32 bytes of `sha256:…` (hexadecimal), `ed25519:…`, `x25519:…` or a nonce (base64url).
fn raw(value: &Value) -> [u8; 32] {
    let text = value.as_str().unwrap();
    match text.split_once(':') {
        Some(("sha256", digits)) => hex(digits),
        Some((_, key)) => URL_SAFE_NO_PAD.decode(key).unwrap(),
        None => URL_SAFE_NO_PAD.decode(text).unwrap(),
    }
    .try_into()
    .unwrap()
}

#[test]
fn parts_are_bound_with_their_lengths() {
    for case in file()["bind"].as_array().unwrap() {
        let parts: Vec<Vec<u8>> = case["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| hex(part.as_str().unwrap()))
            .collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        assert_eq!(bind(&parts), hex(case["bound"].as_str().unwrap()), "{case}");
    }
}

#[test]
fn report_data_is_that_of_the_specification() {
    let purposes = [Purpose::Release, Purpose::RaTls, Purpose::Custodian];
    let file = file();
    let cases = file["cases"].as_array().unwrap();
    for purpose in purposes {
        let of_purpose: Vec<&Value> = cases.iter().filter(|case| case["purpose"] == purpose.label()).collect();
        assert_eq!(of_purpose.len(), 2, "{purpose:?}");
        for case in of_purpose {
            let data = report_data(
                purpose,
                &raw(&case["custodian"]),
                &raw(&case["nonce"]),
                &raw(&case["signing_key"]),
                &raw(&case["hpke_key"]),
                &raw(&case["manifest"]),
            );
            assert_eq!(data.to_vec(), hex(case["report_data"].as_str().unwrap()), "{case}");
        }
    }
}
