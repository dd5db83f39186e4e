use serde_json::json;

use super::*;
use crate::intel::given::Case;

fn judge(case: &Case) -> Result<Claims, Error> {
    verify_under(
        Some(&case.root),
        &case.evidence.report,
        &case.endorsements,
        case.at,
        &case.expected,
    )
}

#[test]
fn quotes_are_judged_as_the_vectors_say() {
    let all = Case::all("sgx");
    assert!(all.len() > 600);
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
