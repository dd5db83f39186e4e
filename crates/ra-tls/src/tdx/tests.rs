use serde_json::json;

use super::*;
use crate::completed;
use crate::intel::given::Case;

fn judge(case: &Case) -> Result<Claims, Error> {
    verify_under(
        Some(&case.root),
        &case.evidence,
        &case.endorsements,
        case.at,
        &case.expected,
    )
}

#[test]
fn quotes_are_judged_as_the_vectors_say() {
    let all = Case::all("tdx");
    assert!(all.len() > 200);
    for case in all {
        let outcome = match judge(&case) {
            Ok(claims) => {
                json!({"claims": {"tcb_status": claims.tcb_status, "advisories": claims.advisories}})
            }
            // Codes are Python's classes of errors.
            Err(error) => json!({"refused": {"code": case.outcome["refused"]["code"], "step": error.step}}),
        };
        assert_eq!(outcome, case.outcome, "{}", case.name);
    }
}

/// As a cache has what came with this evidence: lists of root and authority, TCB info and identity.
fn cached(case: &Case, name: &str) -> Option<Vec<u8>> {
    let Endorsements {
        certificates,
        crls,
        documents,
    } = &case.endorsements;
    let data = match name {
        "intel/root-crl.der" => &crls[0],
        "intel/platform-crl.der" => crls.last().unwrap(),
        "intel/tdx-identity.json" => &documents[1],
        "intel/signers.pem" => certificates,
        "intel/platform-issuers.pem" => return None,
        other if other.starts_with("intel/tdx-tcb/") => &documents[0],
        other => panic!("{other}"),
    };
    Some(data.clone())
}

#[test]
fn a_quote_that_came_with_nothing_is_endorsed_by_what_a_cache_has() {
    for name in ["machine-up-to-date", "module-out-of-date", "event-log"] {
        let given = Case::named("tdx", name);
        let nothing = Endorsements::default();
        let mut case = given.clone();
        case.endorsements = nothing.clone();
        judge(&case).unwrap_err();
        case.endorsements = completed(&case.evidence, &nothing, |name| cached(&given, name));
        let (found, expected) = (judge(&case).unwrap(), judge(&given).unwrap());
        assert_eq!(
            (found.tcb_status, found.seen, found.chosen),
            (expected.tcb_status, expected.seen, expected.chosen),
            "{name}"
        );
    }
}

#[test]
fn what_a_cache_has_counts_against_what_came() {
    let came = Case::named("tdx", "machine-up-to-date");
    let revoked = Case::named("tdx", "machine-revoked-by-the-list-with-the-highest-number");
    let mut case = came.clone();
    judge(&case).unwrap();
    case.endorsements = completed(&case.evidence, &came.endorsements, |name| cached(&revoked, name));
    assert_eq!(judge(&case).unwrap_err().step, "evidence.revoked");
}
