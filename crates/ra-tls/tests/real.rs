//! Reports of real machines, from public repositories: not a part of this one, and read in place where they are.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use casemate_ra_tls::{Endorsements, Evidence, Expected, Format, Platform, Roots};
use casemate_wire::encoding::time;

use given::{Made, hex, table};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// None where there is no such folder: whoever has one elsewhere names it in CASEMATE_VECTORS.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path = std::env::var_os("CASEMATE_VECTORS")
        .map_or(beside, PathBuf::from)
        .join("sev-snp");
    if !path.is_dir() {
        eprintln!("skipped: no folder with real evidence; name it in CASEMATE_VECTORS");
        return None;
    }
    Some(path)
}

/// ARK and ASK, or ASVK, of Milan.
fn milan(folder: &Path, vlek: bool) -> [(&'static str, Vec<u8>); 2] {
    let file = std::fs::read_to_string(folder.join("trustee/milan_ask_ark_asvk.pem")).unwrap();
    let parts: Vec<_> = file
        .split(BEGIN)
        .skip(1)
        .map(|part| format!("{BEGIN}{part}").into_bytes())
        .collect();
    [
        ("ark", parts[1].clone()),
        ("ask", parts[if vlek { 2 } else { 0 }].clone()),
    ]
}

fn made(report: Vec<u8>, certificates: Vec<u8>, at: &str, max_vmpl: u32) -> Made {
    Made {
        expected: Expected {
            report_data: report[0x50..0x90].try_into().unwrap(),
            manifest: report[0xc0..0xe0].try_into().unwrap(),
            floors: BTreeMap::new(),
            max_vmpl,
            excused: BTreeSet::from(["crl".to_owned()]),
        },
        evidence: Evidence {
            format: Format::SevSnp,
            report,
            log: None,
        },
        endorsements: Endorsements {
            certificates,
            ..Endorsements::default()
        },
        roots: Roots {
            amd: true,
            ..Roots::default()
        },
        at: time(at).unwrap(),
    }
}

/// Evidence of a real machine at a time when its certificates held, with its product and TCB. Lists did not come with it.
fn genuine(folder: &Path) -> Vec<(&'static str, &'static str, [u64; 4], Made)> {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let of_milan = |leaf: &'static str, file: &str| {
        let [ark, ask] = milan(folder, leaf == "vlek");
        table(&[ark, ask, (leaf, read(file))])
    };
    let hexadecimal = String::from_utf8(read("sev/report_milan.hex")).unwrap();
    let dstack = table(&[
        ("ask", read("dstack/sev_snp_ask.pem")),
        ("vcek", read("dstack/sev_snp_vcek.pem")),
    ]);
    vec![
        (
            "milan-v2",
            "milan",
            [3, 0, 8, 115],
            made(
                hex(hexadecimal.trim()),
                of_milan("vcek", "sev/vcek_milan.der"),
                "2024-01-01T00:00:00Z",
                0,
            ),
        ),
        (
            "milan-v2-trustee",
            "milan",
            [3, 0, 8, 115],
            made(
                read("trustee/test-report.bin"),
                of_milan("vcek", "trustee/test-vcek.der"),
                "2024-01-01T00:00:00Z",
                0,
            ),
        ),
        (
            "milan-v3",
            "milan",
            [4, 0, 23, 213],
            made(
                read("derived/dstack-milan-v3.report.bin"),
                dstack,
                "2026-07-01T00:00:00Z",
                0,
            ),
        ),
        (
            "milan-v3-vlek",
            "milan",
            [4, 0, 24, 217],
            made(
                read("trustee/test-vlek-report.bin"),
                of_milan("vlek", "trustee/test-vlek.der"),
                "2025-06-01T00:00:00Z",
                1,
            ),
        ),
        (
            "genoa-v3",
            "genoa",
            [10, 0, 23, 84],
            made(
                read("derived/veraison-genoa-v3.report.bin"),
                read("derived/veraison-genoa-v3.certtable.bin"),
                "2025-06-01T00:00:00Z",
                0,
            ),
        ),
    ]
}

#[test]
fn genuine_evidence_verifies() {
    let Some(folder) = folder() else { return };
    for (name, product, versions, made) in genuine(&folder) {
        let claims = made.judge().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((claims.platform, claims.product), (Platform::SevSnp, product), "{name}");
        let tcb = ["bootloader", "tee", "snp", "microcode"].map(|part| claims.tcb[part]);
        assert_eq!(tcb, versions, "{name}");
        assert_eq!(claims.lacks, BTreeSet::from(["crl"]));
    }
}

#[test]
fn without_a_list_genuine_evidence_is_refused() {
    let Some(folder) = folder() else { return };
    for (name, .., mut made) in genuine(&folder) {
        made.expected.excused.clear();
        assert_eq!(made.judge().unwrap_err().step, "evidence.crl", "{name}");
    }
}

#[test]
fn whoever_does_not_trust_amd_believes_none_of_it() {
    let Some(folder) = folder() else { return };
    for (name, .., mut made) in genuine(&folder) {
        made.roots.amd = false;
        assert_eq!(made.judge().unwrap_err().step, "evidence.root", "{name}");
    }
}

#[test]
fn no_byte_of_a_real_report_is_free() {
    let Some(folder) = folder() else { return };
    for (name, .., right) in genuine(&folder) {
        let mut made = right.clone();
        for place in 0..right.evidence.report.len() {
            made.evidence.report[place] ^= 0x10;
            assert!(made.judge().is_err(), "{name}: byte {place}");
            made.evidence.report[place] ^= 0x10;
        }
    }
}

#[test]
fn a_real_guest_that_may_be_debugged_is_refused() {
    let Some(folder) = folder() else { return };
    let [ark, ask] = milan(&folder, false);
    let vcek = std::fs::read(folder.join("go-sev-guest/vcek.testcer")).unwrap();
    let report = std::fs::read(folder.join("go-sev-guest/attestation.bin")).unwrap();
    let made = made(report, table(&[ark, ask, ("vcek", vcek)]), "2024-01-01T00:00:00Z", 0);
    assert_eq!(made.judge().unwrap_err().step, "evidence.debug");
}
