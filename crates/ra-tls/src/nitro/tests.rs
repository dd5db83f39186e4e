//! What the vectors say of each document, made-up and real, Python's verifier says as well.

use std::collections::{BTreeMap, BTreeSet};

use casemate_wire::encoding::time;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::{Value, json};

use super::document::Document;
use crate::cbor::{Name, decode};
use crate::vectors::{hex, ours, read, real};
use crate::x509::Certificate;
use crate::{Claims, Error, Evidence, Expected, Format, Platform, Roots, verify};

/// A case of spec/vectors/nitro.
#[derive(Clone)]
struct Made {
    document: Vec<u8>,
    root: Certificate,
    at: i64,
    expected: Expected,
    outcome: Value,
}

fn evidence(report: &[u8]) -> Evidence {
    Evidence {
        format: Format::Nitro,
        report: report.to_vec(),
        log: None,
    }
}

fn expected(report_data: &[u8], manifest: &[u8]) -> Expected {
    Expected {
        report_data: report_data.try_into().unwrap(),
        manifest: manifest.try_into().unwrap(),
        floors: BTreeMap::new(),
        max_vmpl: 0,
        excused: BTreeSet::new(),
    }
}

impl Made {
    fn named(name: &str) -> Self {
        let value = crate::vectors::json(&ours(&format!("nitro/cases/{name}.json")));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let file = |value: &Value| read(&ours("nitro").join(text(value)));
        let wanted = &value["expected"];
        Self {
            document: file(&value["document"]),
            root: Certificate::parse(&file(&value["root"]), "root").unwrap(),
            at: time(&text(&value["at"])).unwrap(),
            expected: expected(&hex(&text(&wanted["report_data"])), &hex(&text(&wanted["manifest"]))),
            outcome: value["outcome"].clone(),
        }
    }

    fn judge(&self) -> Result<Claims, Error> {
        super::verify(Some(&self.root), &evidence(&self.document), self.at, &self.expected)
    }

    fn step(&self) -> &'static str {
        self.judge().unwrap_err().step
    }
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(ours("nitro/cases")).unwrap();
    files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn documents_are_judged_as_the_vectors_say() {
    let names = names();
    assert!(names.len() > 40);
    for name in names {
        let made = Made::named(&name);
        let outcome = match made.judge() {
            Ok(_) => json!("verified"),
            // Codes are Python's classes of errors.
            Err(error) => json!({"refused": {"code": made.outcome["refused"]["code"], "step": error.step}}),
        };
        assert_eq!(outcome, made.outcome, "{name}");
    }
}

#[test]
fn claims_are_what_the_document_says() {
    let made = Made::named("right");
    let claims = made.judge().unwrap();
    let document = Document::parse(&made.document).unwrap();
    assert_eq!((claims.platform, claims.product), (Platform::Nitro, "nitro"));
    assert_eq!(claims.manifest, made.expected.manifest);
    assert_eq!(claims.report_data, made.expected.report_data);
    assert_eq!(claims.hardware, document.module.as_bytes());
    assert_eq!(claims.values["module"], document.module);
    assert_eq!(claims.values.len(), 17);
    for number in 0..16 {
        let value = crate::expectations::hex(document.pcr(number));
        assert_eq!(claims.values[&format!("pcr{number}")], value);
    }
    assert_eq!(claims.runtime_measurement, format!("sha384:{}", claims.values["pcr0"]));
    assert!(claims.tcb.is_empty() && claims.lacks.is_empty() && claims.seen.is_empty());
    assert_eq!(claims.tcb_status, None);
}

#[test]
fn certificates_hold_from_their_first_to_their_last_second() {
    for (name, before) in [
        ("first-second-of-the-certificates", -1),
        ("last-second-of-the-certificates", 1),
    ] {
        let mut made = Made::named(name);
        made.judge().unwrap();
        made.at += before;
        assert_eq!(made.step(), "evidence.time");
    }
}

#[test]
fn without_aws_among_the_roots_no_document_is_believed() {
    let made = Made::named("right");
    let refused = super::verify(None, &evidence(&made.document), made.at, &made.expected);
    assert_eq!(refused.unwrap_err().step, "evidence.root");
    for roots in [
        Roots::shipped(),
        Roots {
            aws: false,
            ..Roots::shipped()
        },
    ] {
        let endorsements = crate::Endorsements::default();
        let refused = verify(
            &evidence(&made.document),
            &endorsements,
            &roots,
            made.at,
            &made.expected,
        );
        assert_eq!(refused.unwrap_err().step, "evidence.root");
    }
}

#[test]
fn what_is_too_large_is_not_read() {
    let refused = Document::parse(&[0; 32 * 1024 + 1]).unwrap_err();
    assert_eq!(
        (refused.step, refused.got.as_deref()),
        ("evidence.document", Some("32769"))
    );
    assert_eq!(Document::parse(&[0; 32 * 1024]).unwrap_err().step, "evidence.cbor");
}

/// In every byte one bit; with CASEMATE_LONG each in every byte.
#[test]
fn no_bit_of_a_document_is_free() {
    let right = Made::named("right");
    let long = std::env::var_os("CASEMATE_LONG").is_some();
    for place in 0..right.document.len() {
        let bits = if long { 0..8 } else { place % 8..place % 8 + 1 };
        for bit in bits {
            let mut made = right.clone();
            made.document[place] ^= 1 << bit;
            assert!(made.judge().is_err(), "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn what_is_cut_off_is_refused() {
    let right = Made::named("right");
    for length in 0..right.document.len() {
        let mut made = right.clone();
        made.document.truncate(length);
        assert_eq!(made.step(), "evidence.cbor", "{length} bytes");
    }
}

/// A document of a real enclave, and when it was made (Unix seconds), as it says.
fn genuine(folder: &std::path::Path, name: &str) -> (Vec<u8>, i64) {
    use base64::Engine;
    let mut data = read(&folder.join(name));
    if name.ends_with("base64") {
        data = base64::engine::general_purpose::STANDARD
            .decode(data.trim_ascii())
            .unwrap();
    }
    let crate::cbor::Value::Array(parts) = decode(&data, "it", false).unwrap() else {
        panic!("{name}")
    };
    let crate::cbor::Value::Bytes(payload) = parts[2] else {
        panic!("{name}")
    };
    let crate::cbor::Value::Map(content) = decode(payload, "it", false).unwrap() else {
        panic!("{name}")
    };
    let crate::cbor::Value::Integer(made) = content[&Name::Text("timestamp")] else {
        panic!("{name}")
    };
    let made = i64::try_from(made).unwrap() / 1000;
    (data, made)
}

/// Nothing real binds a manifest, so that what it was made for is seen last of all.
fn judge_real(data: &[u8], at: i64) -> Error {
    let endorsements = crate::Endorsements::default();
    let expected = expected(&[0; 64], &[0; 32]);
    verify(&evidence(data), &endorsements, &Roots::shipped(), at, &expected).unwrap_err()
}

const PRODUCTION: [(&str, Option<&str>); 2] = [
    (
        "attestation-doc-validation/valid-attestation-doc-bytes",
        Some("2022-10-13T08:58:02Z"),
    ),
    ("derived/evervault-prod-2023-01-18.cose", None),
];
const DEBUG: [(&str, Option<&str>); 3] = [
    (
        "attestation-doc-validation/debug-mode-attestation-doc-bytes",
        Some("2022-10-12T13:50:06Z"),
    ),
    (
        "attestation-doc-validation/valid-attestation-doc-base64",
        Some("2023-09-18T15:03:30Z"),
    ),
    ("derived/evervault-debug-2023-01-18.cose", None),
];

#[test]
fn documents_of_real_enclaves_are_judged_as_they_deserve() {
    let Some(folder) = real("nitro") else { return };
    let all = PRODUCTION.map(|one| (one, "evidence.manifest"));
    let debug = DEBUG.map(|one| (one, "evidence.debug"));
    for ((name, at), step) in all.into_iter().chain(debug) {
        let (data, made) = genuine(&folder, name);
        let at = at.map_or(made, |at| time(at).unwrap());
        assert_eq!(judge_real(&data, at).step, step, "{name}");
        let later = made + 3 * 3600 + 5;
        assert_eq!(judge_real(&data, later).step, "evidence.time", "{name}");
    }
}

#[test]
fn no_byte_of_a_real_document_is_free() {
    let Some(folder) = real("nitro") else { return };
    let (right, made) = genuine(&folder, PRODUCTION[0].0);
    for place in 0..right.len() {
        let mut data = right.clone();
        data[place] ^= 1 << (place % 8);
        let step = judge_real(&data, made).step;
        assert_ne!(step, "evidence.manifest", "byte {place}");
    }
}

#[test]
fn a_real_document_says_what_can_be_asked_for() {
    let Some(folder) = real("nitro") else { return };
    let (data, _) = genuine(&folder, PRODUCTION[0].0);
    let document = Document::parse(&data).unwrap();
    assert!(document.module.starts_with("i-"));
    assert_ne!(document.pcr(8), super::ZERO, "the image was signed by somebody");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_no_document(data in prop::collection::vec(any::<u8>(), 0..200)) {
        Document::parse(&data).unwrap_err();
        Document::parse(&[b"\x84\x44\xa1\x01\x38\x22\xa0", data.as_slice()].concat()).unwrap_err();
    }

    #[test]
    fn a_document_with_other_bytes_is_refused(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut made = Made::named("right");
        let place = place.index(made.document.len());
        if made.document[place] != byte {
            made.document[place] = byte;
            made.judge().unwrap_err();
        }
    }
}
