//! What the vectors say of each certificate and of each piece of evidence, Python's verifier says as well.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod given;

use casemate_ra_tls::{Claims, RaTlsCertificate};
use serde_json::{Value, json};

use given::{at, cases, hex, sev_snp, sev_snp_names, text};

#[test]
fn certificates_are_judged_by_their_evidence_as_the_vectors_say() {
    let all = cases();
    assert!(all.len() > 40);
    for case in all {
        let outcome = match case.peer.verify(&case.certificate, case.at) {
            Ok(claims) => json!({"platform": claims.platform.name()}),
            Err(error) => json!({"step": error.step}),
        };
        assert_eq!(outcome, case.outcome, "{}", case.name);
    }
}

#[test]
fn evidence_of_sev_snp_is_judged_as_the_vectors_say() {
    let names = sev_snp_names();
    assert!(names.len() > 200);
    for name in names {
        let (made, expected) = sev_snp(&name);
        let outcome = match made.judge() {
            Ok(claims) => json!({"claims": claims_of(&claims)}),
            // Codes are Python's classes of errors.
            Err(error) => json!({"refused": {"code": expected["refused"]["code"], "step": error.step}}),
        };
        assert_eq!(outcome, expected, "{name}");
    }
}

fn claims_of(claims: &Claims) -> Value {
    let tcb: serde_json::Map<_, _> = claims
        .tcb
        .iter()
        .filter(|(name, _)| **name != "guest")
        .map(|(name, version)| ((*name).to_owned(), json!(version)))
        .collect();
    json!({
        "platform": claims.platform.name(),
        "product": claims.product,
        "measurement": claims.runtime_measurement.strip_prefix("sha384:").unwrap(),
        "chip_id": claims.values["chip_id"],
        "tcb": tcb,
        "vmpl": claims.vmpl,
        "crl_number": claims.seen.values().next(),
    })
}

/// Steps that both ways to verify share.
const FORM: [&str; 7] = [
    "evidence.certificates",
    "evidence.cmw",
    "evidence.cbor",
    "ra_tls.extension",
    "ra_tls.type",
    "ra_tls.form",
    "ra_tls.times",
];

#[test]
fn the_form_of_certificates_is_judged_as_the_vectors_say() {
    let file = given::json(&given::folder("results/ra-tls.json"));
    for case in ["good", "hostile"]
        .iter()
        .flat_map(|list| file[list].as_array().unwrap())
    {
        let step = RaTlsCertificate::read(&hex(text(case, "certificate")))
            .and_then(|certificate| certificate.check_times(at(case)))
            .err()
            .map(|error| error.step);
        // Who vouches is no matter of form.
        let expected = case["step"].as_str().filter(|step| FORM.contains(step));
        assert_eq!(step, expected, "{}", case["name"]);
    }
}
