use std::path::Path;

use casemate_request::Refusal;
use casemate_testing::SoftwareTpm;

use super::*;

fn asked(more: &Value) -> Result<Request, serde_json::Error> {
    let mut request = json!({"command": "collect", "platform": null, "report_data": "07".repeat(64), "tpm": null, "key": null, "log": true});
    for (name, value) in more.as_object().expect("an object") {
        request[name] = value.clone();
    }
    serde_json::from_value(request)
}

fn collected(more: &Value, places: &Places) -> Result<Value, Failure> {
    let Request::Collect(asked) = asked(more).expect("a request");
    collect(&asked, places)
}

/// A machine on which there are these files of `folder`.
fn machine(folder: &Path, there: &[&str]) -> Places {
    for name in there {
        std::fs::write(folder.join(name), b"").expect("written");
    }
    Places {
        tsm: folder.join("tsm"),
        sev_guest: folder.join("sev-guest"),
        nsm: folder.join("nsm"),
        tpm: folder.join("tpm"),
    }
}

#[test]
fn a_machine_without_a_platform_is_told_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let places = machine(folder.path(), &[]);
    let failure = collected(&json!({}), &places).unwrap_err();
    assert_eq!(failure.code(), "absent");
    for (name, what) in [
        ("tsm", "sev-snp, tdx"),
        ("sev-guest", "sev-snp"),
        ("nsm", "nitro"),
        ("tpm", "tpm"),
    ] {
        let named = format!("{} ({what})", folder.path().join(name).display());
        assert!(failure.message().contains(&named), "{}", failure.message());
    }
    let failure = collected(&json!({"platform": "nitro"}), &places).unwrap_err();
    assert!(failure.message().contains("nsm") && !failure.message().contains("tpm"));
}

#[test]
fn what_was_named_is_never_replaced_by_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let places = machine(folder.path(), &["tpm"]);
    for platform in ["sev-snp", "tdx", "nitro"] {
        assert_eq!(
            collected(&json!({"platform": platform}), &places).unwrap_err().code(),
            "absent"
        );
    }
}

#[test]
fn the_first_that_is_there_is_asked_in_a_fixed_order_and_no_other_if_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let mut there = Vec::new();
    for name in ["tpm", "nsm", "sev-guest", "tsm"] {
        there.push(name);
        let failure = collected(&json!({}), &machine(folder.path(), &there)).unwrap_err();
        assert_eq!(failure.code(), "platform");
        let of = format!("by {}", folder.path().join(name).display());
        assert!(failure.message().contains(&of), "{}", failure.message());
    }
}

#[test]
fn all_that_is_there_is_known_and_the_named_platform_alone_counts() {
    let folder = tempfile::tempdir().unwrap();
    let places = machine(folder.path(), &["tpm", "nsm", "sev-guest"]);
    let named = |more: &Value| {
        let Request::Collect(asked) = asked(more).expect("a request");
        let found = Source::named(&asked, &places);
        found.iter().map(|source| source.platform.name()).collect::<Vec<_>>()
    };
    assert_eq!(named(&json!({})), ["sev-snp", "nitro", "tpm"]);
    assert_eq!(named(&json!({"platform": "nitro"})), ["nitro"]);
    assert_eq!(named(&json!({"platform": "tdx"})), [""; 0]);
    assert_eq!(named(&json!({"platform": "simulated"})), ["simulated"]);
    // Nothing is there that somebody names elsewhere.
    assert_eq!(named(&json!({"tpm": "/none"})), ["sev-snp", "nitro"]);
}

#[test]
fn a_tpm_gives_evidence_and_what_else_was_there_is_said() {
    let tpm = SoftwareTpm::start();
    let folder = tempfile::tempdir().unwrap();
    let mut places = machine(folder.path(), &[]);
    places.tpm = tpm.socket();
    let collected = |more: &Value| collected(more, &places).unwrap();
    let said = collected(&json!({}));
    assert_eq!(
        (&said["platform"], &said["source"]),
        (&json!("tpm"), &json!(tpm.socket()))
    );
    assert_eq!(
        (&said["others"], &said["evidence"]["format"]),
        (&json!([]), &json!("tpm-quote"))
    );
    assert_eq!(said["endorsements"], json!({"certificates": "", "crls": []}));
    let named = collected(&json!({"tpm": tpm.socket(), "platform": "tpm"}));
    assert_eq!(named["platform"], "tpm");
}

#[test]
fn report_data_is_64_bytes_in_hexadecimal_digits() {
    for wrong in [
        "",
        "07",
        &"0".repeat(127),
        &"+7".repeat(64),
        &"é".repeat(64),
        &"zz".repeat(64),
    ] {
        assert!(asked(&json!({"report_data": wrong})).is_err(), "{wrong}");
    }
    let Request::Collect(right) = asked(&json!({"report_data": "0aFf".repeat(32)})).unwrap();
    assert_eq!(right.report_data[..2], [0x0A, 0xFF]);
    assert!(asked(&json!({"platform": "any"})).is_err());
    assert!(asked(&json!({"more": 1})).is_err());
}
