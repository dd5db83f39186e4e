//! Reports of real machines that came with nothing, and what AMD certified of them in a cache.
#![allow(clippy::unwrap_used, reason = "tests")]

mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use casemate_ra_tls::{Completing, Endorsements, Evidence, Expected, Format, Roots, verify};

use given::{cache_with, hex};

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

/// As the file is called that `casemate endorsements fetch` writes for it.
fn name_of(report: &[u8]) -> String {
    let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let tcb = &report[0x180..0x188];
    let versions = [tcb[0], tcb[1], tcb[6], tcb[7]].map(|version| hexadecimal(&[version]));
    format!(
        "amd/milan/vcek/{}/{}.der",
        hexadecimal(&report[0x1a0..0x1e0]),
        versions.join("-")
    )
}

#[test]
fn a_real_report_is_endorsed_by_what_a_cache_has() {
    let Some(folder) = folder() else { return };
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let milan = hex(String::from_utf8(read("sev/report_milan.hex")).unwrap().trim());
    for (report, leaf, at) in [
        (milan, read("sev/vcek_milan.der"), 1_704_067_200),
        (
            read("derived/dstack-milan-v3.report.bin"),
            read("dstack/sev_snp_vcek.pem"),
            1_782_864_000,
        ),
    ] {
        // ASK, ARK and ASVK, of which only the first is of use here.
        let chain = read("trustee/milan_ask_ark_asvk.pem");
        let entries = [("amd/milan/vcek-chain.pem", chain), (&name_of(&report), leaf)];
        let (_folder, cache) = cache_with(entries.into_iter());
        let expected = Expected {
            report_data: report[0x50..0x90].try_into().unwrap(),
            manifest: report[0xc0..0xe0].try_into().unwrap(),
            floors: BTreeMap::new(),
            max_vmpl: 0,
            excused: BTreeSet::from(["crl".to_owned()]),
        };
        let evidence = Evidence {
            format: Format::SevSnp,
            report,
            log: None,
        };
        let came = Endorsements::default();
        let judged = |endorsements| verify(&evidence, endorsements, &Roots::shipped(), at, &expected);
        assert_eq!(judged(&came).unwrap_err().step, "evidence.certificates");
        let claims = judged(&cache.completed(&evidence, &came)).unwrap();
        assert_eq!(claims.product, "milan");
        // No list of AMD's is among them: without that excuse, it is refused.
        assert_eq!(claims.lacks, BTreeSet::from(["crl"]));
    }
}
