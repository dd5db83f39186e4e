//! What target `sev-snp` asks of its bytes, and the test of its seeds as well.

use std::collections::{BTreeMap, BTreeSet};

use casemate_ra_tls::{Claims, Endorsements, Error, Evidence, Expected, Format, Roots, verify};

const ROOT: &str = include_str!("root");
pub const REPORT: &[u8] = include_bytes!("report");
const CERTIFICATES: &[u8] = include_bytes!("certificates");
const LIST: &[u8] = include_bytes!("list");
/// 2026-02-01T00:00:00Z, when the certificates are valid.
const AT: i64 = 1_769_904_000;

/// Evidence of which one part is `bytes` behind their first, which says what part, and the others are right: the report,
/// and what becomes of it. None of no bytes.
pub fn judged(bytes: &[u8]) -> Option<(Vec<u8>, Result<Claims, Error>)> {
    let (part, bytes) = bytes.split_first()?;
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
    let judged = verify(&evidence, &endorsements, &roots, AT, &expected);
    Some((evidence.report, judged))
}
