//! Evidence of real machines that came with nothing, and what AMD and Intel published for them in a cache.
#![allow(clippy::unwrap_used, reason = "tests")]

mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use casemate_ra_tls::{Completing, Endorsements, Evidence, Expected, Format, Roots, verify};

use serde_json::Value;

use given::{cache_with, hex};

/// None where there is no such folder: whoever has one elsewhere names it in CASEMATE_VECTORS.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path = std::env::var_os("CASEMATE_VECTORS").map_or(beside, PathBuf::from);
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
    let read = |name: &str| fs::read(folder.join("sev-snp").join(name)).unwrap();
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

/// Quote, authority of its machine, the time of the check, where in the quote its report data is, and Intel's verdict.
const QUOTES: [(&str, Format, &str, i64, usize, &str); 2] = [
    (
        "tdx/dcap-qvl/tdx_quote",
        Format::Tdx,
        "platform",
        1_752_919_200,
        568,
        "up-to-date",
    ),
    (
        "sgx/dcap-qvl/sgx_quote",
        Format::Sgx,
        "processor",
        1_751_328_000,
        368,
        "configuration-and-sw-hardening-needed",
    ),
];

/// What Intel's service answered, as the files are called that `casemate endorsements fetch` writes.
fn published(path: &Path, kind: &str, authority: &str) -> Vec<(String, Vec<u8>)> {
    let collateral: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let text = |name: &str| collateral[name].as_str().unwrap();
    let document = |outer: &str, name: &str| {
        let signature = text(&format!("{name}_signature"));
        format!("{{\"{outer}\":{},\"signature\":\"{signature}\"}}", text(name)).into_bytes()
    };
    let info: Value = serde_json::from_str(text("tcb_info")).unwrap();
    let machine = info["fmspc"].as_str().unwrap().to_lowercase();
    vec![
        ("intel/root-crl.der".to_owned(), hex(text("root_ca_crl"))),
        (format!("intel/{authority}-crl.der"), hex(text("pck_crl"))),
        (
            format!("intel/{authority}-issuers.pem"),
            text("pck_crl_issuer_chain").as_bytes().to_vec(),
        ),
        (
            "intel/signers.pem".to_owned(),
            text("tcb_info_issuer_chain").as_bytes().to_vec(),
        ),
        (
            format!("intel/{kind}-tcb/{machine}.json"),
            document("tcbInfo", "tcb_info"),
        ),
        (
            format!("intel/{kind}-identity.json"),
            document("enclaveIdentity", "qe_identity"),
        ),
    ]
}

#[test]
fn a_real_quote_is_endorsed_by_what_a_cache_has() {
    let Some(folder) = folder() else { return };
    for (name, format, authority, at, place, status) in QUOTES {
        let report = fs::read(folder.join(name)).unwrap();
        let kind = name.split('/').next().unwrap();
        let entries = published(&folder.join(format!("{name}_collateral.json")), kind, authority);
        let mut expected = Expected {
            report_data: report[place..place + 64].try_into().unwrap(),
            // It was started for nobody in particular.
            manifest: [0; 32],
            floors: BTreeMap::new(),
            max_vmpl: 0,
            excused: BTreeSet::new(),
        };
        let evidence = Evidence {
            format,
            report,
            log: None,
        };
        let judged = |entries: &[(String, Vec<u8>)], expected: &Expected| {
            let (_folder, cache) = cache_with(entries.iter().map(|(name, data)| (name.as_str(), data.clone())));
            let completed = cache.completed(&evidence, &Endorsements::default());
            verify(&evidence, &completed, &Roots::shipped(), at, expected)
        };
        judged(&[], &expected).unwrap_err();
        let claims = judged(&entries, &expected).unwrap();
        assert_eq!(claims.tcb_status, Some(status), "{name}");
        // All of it is needed but the certificates beside a list: the quote brings these.
        for missing in entries.iter().filter(|(name, _)| !name.ends_with("-issuers.pem")) {
            let others: Vec<_> = entries.iter().filter(|other| *other != missing).cloned().collect();
            let refused = judged(&others, &expected);
            assert!(refused.is_err(), "{name} without {}", missing.0);
        }
        expected.floors = claims
            .seen
            .iter()
            .map(|(name, number)| (name.clone(), number + 1))
            .collect();
        assert_eq!(judged(&entries, &expected).unwrap_err().step, "evidence.crl_floor");
    }
}
