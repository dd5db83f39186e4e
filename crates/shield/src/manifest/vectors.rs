//! `spec/vectors/manifests.json`: each hostile one is refused here for its reason, and in Python for the same.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Manifest;

fn file() -> Value {
    serde_json::from_str(include_str!("../../../../spec/vectors/manifests.json")).expect("vectors")
}

fn cases<'a>(file: &'a Value, list: &str) -> &'a [Value] {
    let found = file[list].as_array().expect("a list");
    assert!(found.len() > 9, "{list}");
    found
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().expect("text")
}

#[test]
fn good_manifests_are_read_with_the_digests_of_their_bytes() {
    for case in cases(&file(), "good") {
        let manifest = Manifest::parse(text(case, "manifest").as_bytes());
        let digest = manifest.map(|manifest| crate::digests::text(&manifest.digest));
        assert_eq!(digest.as_deref(), Ok(text(case, "digest")), "{}", case["name"]);
    }
}

#[test]
fn hostile_manifests_are_refused_for_their_reasons() {
    for case in cases(&file(), "hostile") {
        let data = case["bytes"].as_str().map_or_else(
            || text(case, "manifest").into(),
            |bytes| URL_SAFE_NO_PAD.decode(bytes).expect("base64url"),
        );
        let error = Manifest::parse(&data).expect_err(text(case, "name")).to_string();
        let reason = text(case, "shield");
        assert!(
            error.contains(reason),
            "{}: {error:?} does not say {reason:?}",
            case["name"]
        );
    }
}
