use super::*;
use crate::intel::given::{Case, chosen, seen};

#[test]
fn claims_hold_what_policies_may_ask_for() {
    for version in ["version-3", "version-4", "version-5"] {
        let case = Case::named("sgx", version);
        let claims = case.judge().unwrap();
        let wanted = Claims {
            platform: Platform::Sgx,
            product: "sgx",
            runtime_measurement: format!("sha256:{}", "65".repeat(32)),
            manifest: case.expected.manifest,
            report_data: case.expected.report_data.to_vec(),
            hardware: vec![b'p'; 16],
            tcb: BTreeMap::from([("evaluation", 20), ("isv", 4), ("config", 2)]),
            values: [
                ("attributes", "8500000000000000e700000000000000"),
                ("fmspc", "b0c06f000000"),
                ("isv_family", &"66".repeat(16)),
                ("isv_product", "7"),
                ("memory", "scalable"),
                ("mrsigner", &"73".repeat(32)),
                // Nobody else is asked, whatever the version.
                ("opinions", "1"),
                ("ppid", &"70".repeat(16)),
                ("smt", "on"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            tcb_status: Some("up-to-date"),
            advisories: BTreeSet::new(),
            lacks: BTreeSet::new(),
            seen: seen(),
            chosen: chosen("sgx"),
            vmpl: None,
            verified_at: case.at,
        };
        assert_eq!(claims, wanted, "{version}");
    }
}

#[test]
fn a_certificate_that_leaves_threads_open_says_nothing_of_them() {
    let claims = Case::named("sgx", "certificate-without-a-configuration")
        .judge()
        .unwrap();
    assert_eq!(claims.values.get("smt"), None);
}

#[test]
fn who_certified_the_machine_names_its_list() {
    let claims = Case::named("sgx", "processor-ca").judge().unwrap();
    assert!(claims.seen.contains_key("crl:intel-processor:number"));
}

#[test]
fn a_quote_for_others_is_refused_before_what_costs_more() {
    for name in ["list-of-the-root-older", "machine-below-all-levels"] {
        let mut case = Case::named("sgx", name);
        case.expected.report_data = [0; 64];
        assert_eq!(case.judge().unwrap_err().step, "evidence.report_data", "{name}");
        case.expected.manifest = [0; 32];
        assert_eq!(case.judge().unwrap_err().step, "evidence.manifest", "{name}");
    }
}
