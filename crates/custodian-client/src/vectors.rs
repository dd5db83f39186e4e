//! `spec/vectors`: what Python reads alike. Each file has good cases, and hostile ones with the check that refuses.

use casemate_wire::encoding::{b64u, digest, from_b64u, is_canonical, key, sha256, time};
use serde_json::Value;

use crate::attest::release_info;
use crate::genesis::Genesis;
use crate::instance::Instance;
use crate::keys::{OpeningKey, SigningKey};
use crate::problem::refusal;
use crate::signature::{AnswerHeaders, sign, verify};
use crate::tls::PinnedCustodian;
use crate::{Configuration, Error};

macro_rules! file {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../spec/vectors/", $name, ".json"))).unwrap()
    };
}

fn cases<'a>(file: &'a Value, list: &str) -> &'a [Value] {
    let found = file[list].as_array().unwrap();
    assert!(!found.is_empty(), "{list}");
    found
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    from_b64u(text).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[track_caller]
fn assert_step<T: std::fmt::Debug>(outcome: Result<T, Error>, words: &str, case: &Value) {
    let told = matches!(&outcome, Err(Error::NotGenuine { step }) if step.contains(words));
    assert!(told, "{:?}: {outcome:?} does not say {words:?}", case["name"]);
}

fn info(case: &Value) -> Vec<u8> {
    release_info(
        &digest(text(case, "custodian")).unwrap(),
        &bytes(text(case, "nonce")).try_into().unwrap(),
        &digest(text(case, "manifest")).unwrap(),
        &digest(text(case, "policy_genesis")).unwrap(),
        &digest(text(case, "policy_version")).unwrap(),
        &key(text(case, "signing_key"), "ed25519").unwrap(),
    )
}

#[test]
fn release_info_is_that_of_the_specification() {
    for case in cases(&file!("release-info"), "cases") {
        assert_eq!(info(case), hex(text(case, "info")), "{case}");
    }
}

#[test]
fn a_configuration_opens_for_what_it_was_sealed_for_and_for_nothing_else() {
    let file = file!("sealed-configuration");
    let public = key(text(&file, "public_key"), "x25519").unwrap();
    let opening = OpeningKey::from_parts(bytes(text(&file, "private_key")), public);
    let open = |case: &Value| opening.open(&bytes(text(case, "sealed")), &info(case));
    let plaintext = open(&file["good"]).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&plaintext).unwrap(),
        file["configuration"]
    );
    let configuration = Configuration::parse(&plaintext).unwrap();
    assert_eq!(configuration.holes["PASSWORD"].as_str(), "correct horse");
    assert_eq!(configuration.files[0].content.as_slice(), b"\x00\xffkey\n");
    for case in cases(&file, "hostile") {
        assert!(open(case).is_none(), "{}", case["name"]);
    }
}

#[test]
fn requests_are_signed_as_python_signs_them() {
    let file = file!("request-signatures");
    let ours: Vec<&Value> = cases(&file, "good").iter().filter(|case| case["query"] == "").collect();
    assert_eq!(ours.len(), 5);
    for case in ours {
        let signing = SigningKey::from_seed(&bytes(text(case, "seed"))).unwrap();
        let nonce: [u8; 16] = bytes(text(case, "nonce")).try_into().unwrap();
        let body = text(case, "body").as_bytes();
        let created = case["created"].as_i64().unwrap();
        let signed = sign(
            &signing,
            text(case, "method"),
            text(case, "path"),
            body,
            created,
            &nonce,
        );
        assert_eq!(signing.public_text(), text(case, "key"));
        assert_eq!(signed.content_digest, text(&case["headers"], "content-digest"));
        assert_eq!(signed.signature_input, text(&case["headers"], "signature-input"));
        assert_eq!(signed.signature, text(&case["headers"], "signature"));
    }
}

#[test]
fn answers_are_believed_only_as_they_were_signed() {
    let file = file!("answer-signatures");
    let instance = key(text(&file, "instance_key"), "ed25519").unwrap();
    let judge = |case: &Value| {
        let header = |name: &str| case["headers"][name].as_str().unwrap_or_default().to_owned();
        let headers = AnswerHeaders {
            content_digest: header("content-digest"),
            instance: header("casemate-instance"),
            signature_input: header("signature-input"),
            signature: header("signature"),
        };
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let body = text(case, "body").as_bytes();
        verify(&headers, status, body, text(&file, "request_signature"), &instance)
    };
    for case in cases(&file, "good") {
        assert!(judge(case).is_ok(), "{}", case["name"]);
    }
    for case in cases(&file, "hostile") {
        let words = match text(case, "step") {
            "signature.verify" => "does not verify",
            "signature.content" => "not what was signed",
            _ => "documented form",
        };
        assert_step(judge(case), words, case);
    }
}

#[test]
fn instance_certificates_are_believed_in_their_time_only() {
    let file = file!("instance-certificates");
    let identity_key = key(text(&file, "identity_key"), "ed25519").unwrap();
    let identity = digest(text(&file, "identity")).unwrap();
    let judge = |case: &Value| {
        let at = time(text(case, "at")).unwrap();
        Instance::verify(text(case, "header"), &identity_key, &identity, at)
    };
    for case in cases(&file, "good") {
        assert_eq!(
            judge(case).unwrap().key,
            key(text(case, "key"), "ed25519").unwrap(),
            "{case}"
        );
    }
    for case in cases(&file, "hostile") {
        let words = match text(case, "step") {
            "instance.times" => "not valid now",
            "instance.custodian" => "another custodian's",
            "instance.signature" => "certificate's signature",
            _ => "certificate's form",
        };
        assert_step(judge(case), words, case);
    }
}

#[test]
fn genesis_records_are_read_alike() {
    let file = file!("custodian-genesis");
    for case in cases(&file, "good") {
        let record = text(case, "record").as_bytes();
        let genesis = Genesis::parse(record).unwrap();
        assert_eq!(
            genesis.identity_key,
            key(text(case, "identity_key"), "ed25519").unwrap()
        );
        assert_eq!(digest(text(case, "identity")).unwrap(), sha256(record));
    }
    for case in cases(&file, "hostile") {
        let outcome = Genesis::parse(text(case, "record").as_bytes());
        assert!(
            matches!(outcome, Err(Error::Bundle(_))),
            "{}: {outcome:?}",
            case["name"]
        );
    }
}

#[test]
fn answers_about_volumes_are_read_alike() {
    let file = file!("volume-answers");
    for case in cases(&file, "good") {
        let read = crate::parsers::volume(text(case, "answer").as_bytes());
        assert!(read.is_ok(), "{}: {read:?}", case["name"]);
    }
    for case in cases(&file, "hostile") {
        let read = crate::parsers::volume(text(case, "answer").as_bytes());
        assert!(matches!(read, Err(Error::Malformed(_))), "{}: {read:?}", case["name"]);
    }
}

#[test]
fn configurations_are_read_alike() {
    let file = file!("configurations");
    for case in cases(&file, "good") {
        let parsed = Configuration::parse(text(case, "configuration").as_bytes());
        assert!(parsed.is_ok(), "{}: {parsed:?}", case["name"]);
    }
    for case in cases(&file, "hostile") {
        let parsed = Configuration::parse(text(case, "configuration").as_bytes());
        assert!(
            matches!(parsed, Err(Error::Malformed(_))),
            "{}: {parsed:?}",
            case["name"]
        );
    }
}

#[test]
fn problem_documents_are_read_alike() {
    let file = file!("problems");
    for case in cases(&file, "good") {
        let Error::Refused {
            code, id, step, got, ..
        } = refusal(403, text(case, "problem").as_bytes())
        else {
            unreachable!("{case}");
        };
        let told = [Value::from(code), Value::from(id), Value::from(step), Value::from(got)];
        assert_eq!(told, ["code", "id", "step", "got"].map(|field| case[field].clone()));
    }
    for case in cases(&file, "hostile") {
        let error = refusal(403, text(case, "problem").as_bytes());
        assert!(matches!(error, Error::Malformed(_)), "{}: {error:?}", case["name"]);
    }
}

#[test]
fn json_has_one_canonical_form() {
    let file = file!("canonical-json");
    for case in cases(&file, "canonical") {
        let (written, form) = (text(case, "text"), text(case, "canonical"));
        let by_utf16 = case["utf16"] == true;
        assert_eq!(is_canonical(form.as_bytes()), !by_utf16, "{form}");
        assert_eq!(is_canonical(written.as_bytes()), written == form, "{written}");
    }
    for case in cases(&file, "refused").iter().filter(|case| case["shield"] != "types") {
        let data = case["bytes"].as_str().map_or_else(|| text(case, "text").into(), bytes);
        assert!(!is_canonical(&data), "{}", case["name"]);
    }
}

#[test]
fn text_forms_have_one_spelling() {
    let file = file!("encodings");
    let any_key = |text: &str| key(text, "ed25519").or_else(|| key(text, "x25519"));
    for case in cases(&file["digests"], "good") {
        assert_eq!(digest(text(case, "text")).unwrap().to_vec(), hex(text(case, "bytes")));
    }
    for case in cases(&file["keys"], "good") {
        assert_eq!(any_key(text(case, "text")).unwrap().to_vec(), hex(text(case, "bytes")));
    }
    for case in cases(&file["times"], "good") {
        assert_eq!(time(text(case, "text")), case["seconds"].as_i64());
    }
    for case in cases(&file["base64url"], "good") {
        assert_eq!(bytes(text(case, "text")), hex(text(case, "bytes")));
        assert_eq!(b64u(&hex(text(case, "bytes"))), text(case, "text"));
    }
    let refused = |kind: &str, refuses: &dyn Fn(&str) -> bool| {
        for case in cases(&file[kind], "refused") {
            assert!(refuses(case.as_str().unwrap()), "{kind}: {case}");
        }
    };
    refused("digests", &|text| digest(text).is_none());
    refused("keys", &|text| any_key(text).is_none());
    refused("times", &|text| time(text).is_none());
    refused("base64url", &|text| from_b64u(text).is_none());
}

#[test]
fn certificates_are_believed_where_the_pinned_custodian_vouches_for_their_key() {
    let file = file!("results/ra-tls");
    let custodian = PinnedCustodian::of(text(&file, "genesis").as_bytes()).unwrap();
    let judge = |case: &Value| custodian.verify(&hex(text(case, "certificate")), time(text(case, "at")).unwrap());
    for case in cases(&file, "good") {
        judge(case).unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
    }
    for case in cases(&file, "hostile") {
        let words = match text(case, "step") {
            "ra_tls.custodian" => "the certificate is another custodian's",
            "ra_tls.keys" => "other keys than the instance's",
            "ra_tls.signature" => "does not vouch",
            "ra_tls.times" => "the certificate is not valid now",
            "instance.times" => "the instance certificate is not valid now",
            "instance.custodian" => "the instance certificate is another custodian's",
            "instance.signature" => "the instance certificate's signature",
            "instance.form" => "the instance certificate's form",
            _ => "the certificate's form",
        };
        assert_step(judge(case), words, case);
    }
}

#[test]
fn a_certificate_with_another_bit_is_refused() {
    let file = file!("results/ra-tls");
    let custodian = PinnedCustodian::of(text(&file, "genesis").as_bytes()).unwrap();
    let right = &cases(&file, "good")[0];
    let (der, at) = (hex(text(right, "certificate")), time(text(right, "at")).unwrap());
    for place in 0..der.len() {
        let mut changed = der.clone();
        changed[place] ^= 1;
        assert!(custodian.verify(&changed, at).is_err(), "byte {place}");
    }
    for length in 0..der.len() {
        assert!(custodian.verify(&der[..length], at).is_err(), "{length} bytes");
    }
}
