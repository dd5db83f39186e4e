//! Any bytes in a cache, and beside evidence: something comes of it, of no more than is looked at.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod given;

use std::sync::LazyLock;

use casemate_ra_tls::{Endorsements, Evidence, Format, completed, parsers};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::Value;

use given::{folder, hex, json};

const MAX_CRLS: usize = 8;
const MAX_DOCUMENTS: usize = 4;

/// Of one kind each: SEV-SNP, TDX, SGX.
static EVIDENCE: LazyLock<Vec<Evidence>> = LazyLock::new(|| {
    let file = json(&folder("endorsements/completed.json"));
    let report = |name: &str, format| {
        let cases = file["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        let place = usize::try_from(case["evidence"]["report"].as_u64().unwrap()).unwrap();
        let parts: &Value = &file["parts"];
        Evidence {
            format,
            report: hex(parts[place].as_str().unwrap()),
            log: None,
        }
    };
    vec![
        report("Milan VCEK version 5, nothing came", Format::SevSnp),
        report("TDX, Platform, nothing came", Format::Tdx),
        report("SGX, Processor, nothing came", Format::Sgx),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_in_a_cache_are_passed_by(entry in prop::collection::vec(any::<u8>(), 0..300)) {
        let came = Endorsements { certificates: b"anything".to_vec(), ..Endorsements::default() };
        for evidence in EVIDENCE.iter() {
            assert_eq!(completed(evidence, &came, |_| Some(entry.clone())), came);
        }
        assert_eq!(parsers::entry(&entry).unwrap_err().step, "endorsements.entry");
    }

    #[test]
    fn any_bytes_that_came_leave_an_end_to_what_is_looked_at(
        certificates in prop::collection::vec(any::<u8>(), 0..300),
        crls in prop::collection::vec(any::<[u8; 4]>(), 0..20),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let crls: Vec<_> = crls.iter().map(|list| list.to_vec()).collect();
        let came = Endorsements { certificates, documents: crls.clone(), crls };
        let (made, _) = given::sev_snp("milan-vcek-v5");
        let list = &made.endorsements.crls[0];
        for mut evidence in EVIDENCE.iter().cloned() {
            let found = completed(&evidence, &came, |name| name.ends_with("crl.der").then(|| list.clone()));
            if found != came {
                assert!(found.crls.len() <= MAX_CRLS && found.documents.len() <= MAX_DOCUMENTS);
                assert_eq!(&found.crls[0], list);
            }
            let place = place.index(evidence.report.len());
            evidence.report[place] = byte;
            let _ = completed(&evidence, &came, |_| Some(list.clone()));
        }
    }
}
