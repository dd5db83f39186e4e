//! Fuzz targets begin with something that is accepted: what is refused at once leads nowhere.

use std::collections::{BTreeMap, BTreeSet};

use casemate_ra_tls::{Endorsements, Error, Evidence, Expected, Format, Roots, parsers, verify};
use casemate_testing::{Seed, seeds};

#[test]
fn every_seed_is_accepted() {
    for Seed { target, name, bytes } in seeds(env!("CARGO_MANIFEST_DIR")) {
        let read = match target.as_str() {
            "carried" => parsers::carried(&bytes).map(drop),
            "entry" => parsers::entry(&bytes),
            "intel-document" => parsers::intel_document(&bytes),
            "nitro-document" => parsers::nitro_document(&bytes),
            "quote" => parsers::quote(&bytes),
            "event-log" => parsers::event_log(&bytes),
            "report-key" => parsers::report_key(&bytes),
            "sev-snp" => sev_snp(&bytes),
            "tpm-quote" => parsers::tpm_quote(&bytes),
            other => panic!("say here what target {other} accepts"),
        };
        assert!(read.is_ok(), "{target}/{name}: {read:?}");
    }
}

const ROOT: &str = include_str!("../fuzz/given/root");
const REPORT: &[u8] = include_bytes!("../fuzz/given/report");
const CERTIFICATES: &[u8] = include_bytes!("../fuzz/given/certificates");
const LIST: &[u8] = include_bytes!("../fuzz/given/list");
const AT: i64 = 1_769_904_000;

/// As in fuzz/fuzz_targets/sev_snp.rs.
fn sev_snp(bytes: &[u8]) -> Result<(), Error> {
    let (part, bytes) = bytes.split_first().expect("a seed");
    let (mut report, mut certificates, mut crls) = (REPORT.to_vec(), CERTIFICATES.to_vec(), vec![LIST.to_vec()]);
    match part % 3 {
        0 => report = bytes.to_vec(),
        1 => certificates = bytes.to_vec(),
        _ => crls.push(bytes.to_vec()),
    }
    let evidence = Evidence {
        format: Format::SevSnp,
        report,
        log: None,
    };
    let endorsements = Endorsements {
        certificates,
        crls,
        documents: Vec::new(),
    };
    let roots = Roots {
        simulated: BTreeSet::from([ROOT.trim().to_owned()]),
        ..Roots::default()
    };
    let expected = Expected {
        report_data: std::array::from_fn(|place| REPORT[0x50 + place]),
        manifest: std::array::from_fn(|place| REPORT[0xc0 + place]),
        floors: BTreeMap::new(),
        max_vmpl: 0,
        excused: BTreeSet::new(),
    };
    verify(&evidence, &endorsements, &roots, AT, &expected).map(drop)
}
