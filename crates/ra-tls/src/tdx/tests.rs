use super::*;
use crate::completed;
use crate::intel::given::{Case, chosen, seen};

#[test]
fn claims_hold_what_policies_may_ask_for() {
    for version in ["version-4", "version-5", "version-5-tdx-1.5"] {
        let case = Case::named("tdx", version);
        let claims = case.judge().unwrap();
        let letters = |letter: &str| letter.repeat(48);
        let wanted = Claims {
            platform: Platform::Tdx,
            product: "tdx",
            runtime_measurement: "sha384:9346db31ff0d7ca7baba6b08d182143c18e83a685ad760ecbfce83b8d22df4e9c9231bb268d4f\
                                  29a33983a5e21172e78"
                .to_owned(),
            manifest: case.expected.manifest,
            report_data: case.expected.report_data.to_vec(),
            hardware: vec![b'p'; 16],
            tcb: BTreeMap::from([("evaluation", 20), ("module", 0x105)]),
            values: [
                ("attributes", "0000001000000000"),
                ("fmspc", "b0c06f000000"),
                ("memory", "scalable"),
                ("mrowner", &letters("6f")),
                ("mrownerconfig", &letters("63")),
                ("mrseam", &letters("53")),
                ("mrsignerseam", &letters("00")),
                ("mrtd", &letters("54")),
                ("ppid", &"70".repeat(16)),
                ("rtmr0", &letters("30")),
                ("rtmr1", &letters("31")),
                ("rtmr2", &letters("32")),
                ("rtmr3", &letters("33")),
                ("smt", "on"),
                ("xfam", "e702060000000000"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            tcb_status: Some("up-to-date"),
            advisories: BTreeSet::new(),
            lacks: BTreeSet::new(),
            seen: seen(),
            chosen: chosen("tdx"),
            vmpl: None,
            verified_at: case.at,
        };
        assert_eq!(claims, wanted, "{version}");
    }
}

/// Of the major version first: 3.0 is above 1.5, however the minor versions compare.
#[test]
fn the_lower_version_of_the_module_counts() {
    for (name, lower) in [
        ("launched-under-an-older-module", 0x103),
        ("running-under-an-older-module", 0x103),
        ("running-under-a-module-of-version-3", 0x105),
    ] {
        assert_eq!(Case::named("tdx", name).judge().unwrap().tcb["module"], lower, "{name}");
    }
}

/// A log replays to the registers of the quote that it came with, and to no other's.
#[test]
fn a_log_belongs_to_its_quote() {
    let logged = Case::named("tdx", "event-log");
    logged.judge().unwrap();
    let mut other = Case::named("tdx", "version-4");
    other.evidence.log.clone_from(&logged.evidence.log);
    assert_eq!(other.judge().unwrap_err().step, "evidence.log");
    other.evidence.log = Some(Vec::new());
    assert_eq!(other.judge().unwrap_err().step, "evidence.log");
}

#[test]
fn a_quote_for_others_is_refused_before_what_costs_more() {
    for name in ["list-of-the-root-older", "machine-below-all-levels", "event-log"] {
        let mut case = Case::named("tdx", name);
        case.expected.report_data = [0; 64];
        assert_eq!(case.judge().unwrap_err().step, "evidence.report_data", "{name}");
        case.expected.manifest = [0; 32];
        assert_eq!(case.judge().unwrap_err().step, "evidence.manifest", "{name}");
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
        case.judge().unwrap_err();
        case.endorsements = completed(&case.evidence, &nothing, |name| cached(&given, name));
        let (found, expected) = (case.judge().unwrap(), given.judge().unwrap());
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
    case.judge().unwrap();
    case.endorsements = completed(&case.evidence, &came.endorsements, |name| cached(&revoked, name));
    assert_eq!(case.judge().unwrap_err().step, "evidence.revoked");
}
