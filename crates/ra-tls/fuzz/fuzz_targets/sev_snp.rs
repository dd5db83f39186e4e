//! SEV-SNP evidence of which one part is any bytes, and the others are right: report, certificates, or a list more.
//! Nobody has a key here, so nothing new may verify.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use casemate_ra_tls::{Endorsements, Evidence, Expected, Format, Roots, verify};
use libfuzzer_sys::fuzz_target;

const ROOT: &str = include_str!("../given/root");
const REPORT: &[u8] = include_bytes!("../given/report");
const CERTIFICATES: &[u8] = include_bytes!("../given/certificates");
const LIST: &[u8] = include_bytes!("../given/list");
/// 2026-02-01T00:00:00Z, when the certificates are valid.
const AT: i64 = 1_769_904_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((part, bytes)) = bytes.split_first() else { return };
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
    match verify(&evidence, &endorsements, &roots, AT, &expected) {
        Ok(_) => assert!(evidence.report == REPORT),
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
});
