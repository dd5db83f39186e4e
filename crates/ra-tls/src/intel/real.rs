//! Quotes of real machines, from public repositories, with what Intel said of them then: not a part of this one, and read
//! in place where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use casemate_wire::encoding::time;
use serde_json::Value;

use super::documents::{Document, EnclaveIdentity, TcbInfo, opened};
use super::endorsed::{Names, endorsed};
use super::quote::{Body, Quote};
use super::signing::Point;
use super::tcb::{Verdict, judged};
use super::{Vouched, chain};
use crate::vectors::{hex, json, read, real};
use crate::x509::Certificate;
use crate::{Claims, Endorsements, Error, Evidence, Expected, Format, Roots, verify};

const TDX: &Names = &Names {
    platform: "tdx",
    info: "TDX",
    identity: "TD_QE",
};
const TDX_QUOTES: [&str; 8] = [
    "dcap-qvl/tdx_quote",
    "dcap-qvl/quote_hex.txt",
    "dcap-qvl/tdx_quote_outdated",
    "go-tdx-guest/cos-113-tdx-quote.dat",
    "go-tdx-guest/quote_v5_sample.dat",
    "trustee/tdx_quote_4.dat",
    "trustee/tdx_quote_5.dat",
    "trustee/tdx_quote_6.dat",
];
const SGX_QUOTES: [&str; 3] = [
    "dcap-qvl/sgx_quote",
    "trustee/occlum_quote.dat",
    "attestation/hw_quote.dat",
];
/// What somebody wrote behind a quote.
const TAIL: &[u8] = b"\nextra bytes(only for testing purpose)\n";

/// Of both platforms; None where they are not here.
fn folders() -> Option<[PathBuf; 2]> {
    Some([real("tdx")?, real("sgx")?])
}

fn quote(path: PathBuf) -> Vec<u8> {
    let data = read(&path);
    if path.extension().is_some_and(|ending| ending == "txt") {
        return hex(std::str::from_utf8(&data).unwrap().trim().trim_start_matches("0x"));
    }
    data
}

/// Single certificates.
fn blocks(pem: &str) -> String {
    let parts = pem.split("-----BEGIN CERTIFICATE-----").skip(1).map(|part| {
        let body = part.split("-----END").next().unwrap().trim();
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    });
    parts.collect()
}

/// As other projects write it: inner objects as text, signatures and lists in hexadecimal.
fn collateral(path: PathBuf) -> Endorsements {
    let value: Value = json(&path);
    let text = |name: &str| value[name].as_str().unwrap();
    let document = |outer: &str, name: &str| {
        let signature = text(&format!("{name}_signature"));
        format!("{{\"{outer}\":{},\"signature\":\"{signature}\"}}", text(name)).into_bytes()
    };
    Endorsements {
        certificates: blocks(text("tcb_info_issuer_chain")).into_bytes(),
        crls: ["root_ca_crl", "pck_crl"].map(|name| hex(text(name))).into(),
        documents: vec![
            document("tcbInfo", "tcb_info"),
            document("enclaveIdentity", "qe_identity"),
        ],
    }
}

/// One that is made for what it says that it is made for.
#[derive(Clone)]
struct Real {
    evidence: Evidence,
    endorsements: Endorsements,
    expected: Expected,
}

impl Real {
    fn of(report: Vec<u8>, endorsements: Endorsements) -> Self {
        let quote = Quote::parse(&report).unwrap();
        let (format, config, report_data) = match &quote.body {
            Body::Tdx(body) => (Format::Tdx, body.mr_config_id.to_vec(), body.report_data),
            Body::Sgx(body) => (Format::Sgx, body.config_id.to_vec(), body.report_data),
        };
        Self {
            evidence: Evidence {
                format,
                report,
                log: None,
            },
            endorsements,
            expected: Expected {
                report_data,
                manifest: config[..32].try_into().unwrap(),
                floors: BTreeMap::new(),
                max_vmpl: 0,
                excused: BTreeSet::new(),
            },
        }
    }

    fn at(&self, at: &str) -> Result<Claims, Error> {
        let at = time(at).unwrap();
        verify(
            &self.evidence,
            &self.endorsements,
            &Roots::shipped(),
            at,
            &self.expected,
        )
    }

    fn step_at(&self, at: &str) -> &'static str {
        self.at(at).unwrap_err().step
    }
}

fn root() -> Option<&'static Certificate> {
    chain::trusted_root(&Roots::shipped())
}

fn tdx(folder: &std::path::Path, name: &str, collateral_name: &str) -> Real {
    Real::of(quote(folder.join(name)), collateral(folder.join(collateral_name)))
}

fn up_to_date(folder: &std::path::Path) -> Real {
    tdx(folder, "dcap-qvl/tdx_quote", "dcap-qvl/tdx_quote_collateral.json")
}

fn enclave(folder: &std::path::Path) -> Real {
    tdx(folder, "dcap-qvl/sgx_quote", "dcap-qvl/sgx_quote_collateral.json")
}

/// By those of Intel's keys that signed documents then.
fn document(folders: &[PathBuf; 2], name: &str) -> Document {
    let chain = json(&folders[0].join("dcap-qvl/tdx_quote_collateral.json"));
    let later = blocks(chain["tcb_info_issuer_chain"].as_str().unwrap());
    let later = chain::pem_parts(later.as_bytes()).unwrap();
    let signers = [read(&folders[1].join("attestation/tcb_signer.pem")), later[0].clone()];
    let points = signers.map(|signer| Point::of_certificate(&Certificate::parse(&signer, "signer").unwrap()).unwrap());
    opened(&read(&PathBuf::from(name)), &points).unwrap()
}

fn info(folders: &[PathBuf; 2], path: PathBuf) -> TcbInfo {
    match document(folders, path.to_str().unwrap()) {
        Document::Info(info) => info.content,
        Document::Identity(_) => panic!("no TCB info"),
    }
}

fn identity(folders: &[PathBuf; 2], path: PathBuf) -> EnclaveIdentity {
    match document(folders, path.to_str().unwrap()) {
        Document::Identity(identity) => identity.content,
        Document::Info(_) => panic!("no identity"),
    }
}

/// Of a quote whose signatures are good up to Intel's root, whatever else is to be said of it.
fn verdict(report: &[u8], info: &TcbInfo, identity: &EnclaveIdentity) -> Result<Verdict, Error> {
    let quote = Quote::parse(report).unwrap();
    let quoted = Vouched::by(&quote, root()).unwrap();
    let td = match &quote.body {
        Body::Tdx(td) => Some(&**td),
        Body::Sgx(_) => None,
    };
    judged(&quoted.chain.machine, td, &quoted.enclave.report, info, identity)
}

#[test]
fn each_is_a_genuine_quote() {
    let Some([tdx, sgx]) = folders() else { return };
    let all = TDX_QUOTES.map(|name| tdx.join(name)).into_iter();
    for path in all.chain(SGX_QUOTES.map(|name| sgx.join(name))) {
        let report = quote(path);
        Vouched::by(&Quote::parse(&report).unwrap(), root()).unwrap();
    }
}

#[test]
fn a_domain_that_is_up_to_date() {
    let Some([tdx, _]) = folders() else { return };
    let claims = up_to_date(&tdx).at("2025-07-19T10:00:00Z").unwrap();
    assert_eq!(claims.tcb_status, Some("up-to-date"));
    assert_eq!(claims.advisories, BTreeSet::new());
    assert_eq!(claims.tcb, BTreeMap::from([("evaluation", 17), ("module", 0x106)]));
    assert_eq!(claims.values["fmspc"], "b0c06f000000");
    assert_eq!(claims.values["rtmr3"], "0".repeat(96));
    assert_eq!(claims.chosen["tcb-info:tdx:b0c06f000000:evaluation"], 17);
}

#[test]
fn another_machine_that_is_up_to_date() {
    let Some([tdx, _]) = folders() else { return };
    let real = self::tdx(&tdx, "dcap-qvl/quote_hex.txt", "dcap-qvl/quote_collateral.json");
    let at = "2025-09-20T10:00:00Z";
    assert_eq!(
        real.step_at(at),
        "evidence.manifest",
        "its MRCONFIGID is no manifest's digest"
    );
    let quote = Quote::parse(&real.evidence.report).unwrap();
    let quoted = Vouched::by(&quote, root()).unwrap();
    let known = quoted
        .endorsed(&real.endorsements, TDX, time(at).unwrap(), &BTreeMap::new())
        .unwrap();
    let Body::Tdx(report) = &quote.body else { panic!() };
    let verdict = quoted.judged(&known, Some(report)).unwrap();
    assert_eq!((verdict.status(), verdict.advisories.len()), ("up-to-date", 0));
    assert_eq!(quoted.chain.machine.fmspc[..], hex("20a06f000000"));
}

#[test]
fn what_intel_says_of_another_machine_does_not_count() {
    let Some([tdx, _]) = folders() else { return };
    let mut mixed = up_to_date(&tdx);
    mixed.endorsements = collateral(tdx.join("dcap-qvl/quote_collateral.json"));
    assert_eq!(mixed.step_at("2025-09-20T10:00:00Z"), "evidence.platform");
}

#[test]
fn it_holds_to_the_last_second_of_its_collateral_and_from_the_first() {
    let Some([tdx, sgx]) = folders() else { return };
    for (real, good, bad) in [
        (
            up_to_date(&tdx),
            ["2025-06-19T10:32:27Z", "2025-07-19T10:00:34Z"],
            ["2025-06-19T10:32:26Z", "2025-07-19T10:00:35Z"],
        ),
        (
            enclave(&sgx),
            ["2025-06-19T10:56:11Z", "2025-07-19T10:01:18Z"],
            ["2025-06-19T10:56:10Z", "2025-07-19T10:01:19Z"],
        ),
    ] {
        for at in good {
            real.at(at).unwrap();
        }
        for at in bad {
            assert_eq!(real.step_at(at), "evidence.validity", "{at}");
        }
    }
}

#[test]
fn a_machine_that_no_tcb_level_fits_is_refused() {
    let Some([tdx, _]) = folders() else { return };
    let name = "dcap-qvl/tdx_quote_outdated";
    let real = self::tdx(&tdx, name, &format!("{name}_collateral.json"));
    for at in ["2026-02-19T00:00:00Z", "2026-03-20T10:00:00Z"] {
        assert_eq!(real.step_at(at), "evidence.tcb", "{at}");
    }
    assert_eq!(real.step_at("2026-03-21T00:00:00Z"), "evidence.validity");
}

#[test]
fn an_early_machine_is_genuine_and_no_tcb_level_fits_it() {
    let Some(folders) = folders() else { return };
    let guest = folders[0].join("go-tdx-guest");
    let whole = quote(guest.join("tdx_prod_quote_SPR_E4.dat"));
    let refused = Quote::parse(&whole).unwrap_err();
    assert_eq!(
        refused.step, "evidence.quote",
        "what follows a quote is zeros, or refused"
    );
    let report = whole.strip_suffix(TAIL).unwrap();
    let info = info(&folders, guest.join("sample_tcbInfo_response"));
    let identity = identity(&folders, guest.join("sample_qeIdentity_response"));
    assert_eq!(verdict(report, &info, &identity).unwrap_err().step, "evidence.tcb");

    let endorsements = Endorsements {
        certificates: read(&folders[1].join("attestation/tcb_signer.pem")),
        crls: ["pckcrl", "rootcrl.der"].map(|name| read(&guest.join(name))).into(),
        documents: ["sample_tcbInfo_response", "sample_qeIdentity_response"]
            .map(|name| read(&guest.join(name)))
            .into(),
    };
    let real = Real::of(report.to_vec(), endorsements);
    // Without SEPT_VE_DISABLE: before anything else.
    assert_eq!(real.step_at("2023-07-01T01:00:00Z"), "evidence.attributes");
    let quote = Quote::parse(report).unwrap();
    let quoted = Vouched::by(&quote, root()).unwrap();
    let known = endorsed(&quoted.chain, &real.endorsements, quoted.root, TDX).unwrap();
    known.check_times(time("2023-07-01T01:00:00Z").unwrap()).unwrap();
    let refused = known.check_times(time("2053-07-01T01:00:00Z").unwrap()).unwrap_err();
    assert_eq!(refused.step, "evidence.validity");
}

#[test]
fn a_machine_of_tdx_1_5_is_up_to_date() {
    let Some(folders) = folders() else { return };
    let guest = folders[0].join("go-tdx-guest");
    let info = info(&folders, guest.join("sample_tcbinfo_response_v5"));
    let at = time("2026-02-03T01:00:00Z").unwrap();
    assert!((info.dated.issued..info.dated.next_update).contains(&at));
    let report = quote(guest.join("quote_v5_sample.dat"));
    // By an identity of another time, which is all that is there.
    let identity = identity(&folders, guest.join("sample_qeIdentity_response"));
    assert_eq!(verdict(&report, &info, &identity).unwrap().status(), "up-to-date");
}

#[test]
fn a_padded_quote_is_the_quote_and_its_log_leads_to_its_registers() {
    let Some([tdx, _]) = folders() else { return };
    let guest = tdx.join("go-tdx-guest");
    let report = quote(guest.join("cos-113-tdx-quote.dat"));
    assert_eq!(report.len(), 8000);
    let Body::Tdx(read) = Quote::parse(&report).unwrap().body else {
        panic!()
    };
    assert_eq!(read.report_data[..], crate::vectors::read(&guest.join("nonce.dat")));
    let log = crate::vectors::read(&guest.join("ccel_data.dat"));
    crate::tdx::check_log(&read, Some(&log)).unwrap();
    let mut other = up_to_date(&tdx);
    other.evidence.log = Some(log);
    assert_eq!(other.step_at("2025-07-19T10:00:00Z"), "evidence.log");
}

#[test]
fn in_debug_mode_it_is_genuine_and_refused() {
    let Some([tdx, sgx]) = folders() else { return };
    for path in [
        tdx.join("trustee/tdx_quote_4.dat"),
        sgx.join("trustee/occlum_quote.dat"),
    ] {
        let real = Real::of(quote(path), Endorsements::default());
        assert_eq!(real.step_at("2024-01-01T00:00:00Z"), "evidence.debug");
    }
}

#[test]
fn an_enclave_that_wants_software_hardened_and_another_configuration() {
    let Some([_, sgx]) = folders() else { return };
    let claims = enclave(&sgx).at("2025-06-25T10:00:00Z").unwrap();
    assert_eq!(claims.tcb_status, Some("configuration-and-sw-hardening-needed"));
    let open = ["INTEL-SA-00289", "INTEL-SA-00615"].map(str::to_owned);
    assert_eq!(claims.advisories, open.into());
    assert_eq!(&claims.report_data[..13], b"Hello, world!");
    assert_eq!(
        claims.tcb,
        BTreeMap::from([("evaluation", 17), ("isv", 0), ("config", 0)])
    );
    assert!(claims.runtime_measurement.starts_with("sha256:33d8736d"));
    assert_eq!(claims.values["opinions"], "1");
}

#[test]
fn where_no_instant_is_good_for_everything_each_is_refused() {
    let Some(folders) = folders() else { return };
    let public = folders[1].join("attestation");
    let names = ["fmspc_00906ED50000_2023_07_12.json", "qe_identity.json"];
    let report = quote(public.join("hw_quote.dat"));
    let endorsements = Endorsements {
        certificates: read(&public.join("tcb_signer.pem")),
        crls: ["root_crl.der", "processor_crl.der"]
            .map(|name| read(&public.join(name)))
            .into(),
        documents: names.map(|name| read(&public.join(name))).into(),
    };
    let real = Real::of(report.clone(), endorsements);
    for at in ["2023-05-20", "2023-06-20", "2023-07-20", "2023-08-10"] {
        assert_eq!(real.step_at(&format!("{at}T00:00:00Z")), "evidence.validity", "{at}");
    }
    let [info, identity] = [
        document(&folders, public.join(names[0]).to_str().unwrap()),
        document(&folders, public.join(names[1]).to_str().unwrap()),
    ];
    let (Document::Info(info), Document::Identity(identity)) = (info, identity) else {
        panic!()
    };
    let verdict = verdict(&report, &info.content, &identity.content).unwrap();
    assert!(verdict.status().contains("sw-hardening"), "{}", verdict.status());
}

#[test]
fn a_made_up_quote_without_certificates_is_refused() {
    let Some([_, sgx]) = folders() else { return };
    let made_up = sgx.join("SGX-TDX-DCAP-QuoteVerificationLibrary");
    let real = Real::of(quote(made_up.join("quote.dat")), Endorsements::default());
    assert_eq!(real.step_at("2024-01-01T00:00:00Z"), "evidence.pck");
    let domain = quote(made_up.join("tdx/quote.dat"));
    assert!(matches!(Quote::parse(&domain).unwrap().body, Body::Tdx(_)));
}

/// Under a root of its own, with certificates that it does not bring.
#[test]
fn a_quote_is_good_under_its_root_only() {
    let Some([_, sgx]) = folders() else { return };
    let made_up = sgx.join("SGX-TDX-DCAP-QuoteVerificationLibrary");
    let parts = ["pckCert.pem", "pckSignChain.pem"].map(|name| {
        let text = String::from_utf8(read(&made_up.join(name))).unwrap();
        blocks(&text.replace('\r', ""))
    });
    let pem = parts.concat().into_bytes();
    let last = chain::pem_parts(&pem).unwrap().pop().unwrap();
    let own = Certificate::parse(&last, "root").unwrap();
    let report = quote(made_up.join("quote.dat"));
    let attested = Quote::parse(&report).unwrap().attested;
    let chain = chain::verified_chain(&pem, &own).unwrap();
    assert!(chain.point.signed(attested.qe_report, attested.qe_signature));
    let refused = chain::verified_chain(&pem, root().unwrap()).unwrap_err();
    assert_eq!(refused.step, "evidence.root");
}

#[test]
fn others_are_refused_and_no_byte_of_a_quote_is_free() {
    let Some([tdx, sgx]) = folders() else { return };
    let long = std::env::var_os("CASEMATE_LONG").is_some();
    for (right, at) in [
        (up_to_date(&tdx), "2025-07-19T10:00:00Z"),
        (enclave(&sgx), "2025-06-25T10:00:00Z"),
    ] {
        let mut made = right.clone();
        made.expected.manifest = [b'm'; 32];
        assert_eq!(made.step_at(at), "evidence.manifest");
        let mut made = right.clone();
        made.expected.report_data = [b'm'; 64];
        assert_eq!(made.step_at(at), "evidence.report_data");
        let mut made = right.clone();
        for place in (0..right.evidence.report.len()).step_by(if long { 1 } else { 5 }) {
            for bit in 0..if long { 8 } else { 1 } {
                made.evidence.report[place] ^= 1 << bit;
                assert!(made.at(at).is_err(), "bit {bit} of byte {place}");
                made.evidence.report[place] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn whoever_does_not_trust_intel_believes_none_of_it() {
    let Some([tdx, sgx]) = folders() else { return };
    let roots = Roots {
        intel: false,
        ..Roots::shipped()
    };
    for real in [up_to_date(&tdx), enclave(&sgx)] {
        let at = time("2025-07-01T00:00:00Z").unwrap();
        let refused = verify(&real.evidence, &real.endorsements, &roots, at, &real.expected);
        assert_eq!(refused.unwrap_err().step, "evidence.root");
    }
}
