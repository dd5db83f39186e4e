//! Evidence of which something was changed, cut off or made up: refused, whatever it is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod given;

use std::ops::Range;

use casemate_ra_tls::{Endorsements, Evidence, Format, RaTlsCertificate};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use given::{Made, case, sev_snp};

/// Of each layout that there is.
const RIGHT: [&str; 4] = ["milan-vcek-v5", "genoa-vcek-v3", "turin-vcek-v5", "milan-vlek-v2"];

fn is_refused_with(right: &Made, place: usize, bits: u8) {
    let mut made = right.clone();
    made.evidence.report[place] ^= bits;
    assert!(made.judge().is_err(), "byte {place} with {bits:#x}");
}

/// Fields whose bits have meanings of their own: version, guest policy, VMPL, platform info, key flags.
const BITS: [Range<usize>; 4] = [0..4, 8..16, 0x30..0x34, 0x40..0x4c];

/// In every byte one bit, in fields of bits each; with CASEMATE_LONG each in every byte.
#[test]
fn no_bit_of_a_report_is_free() {
    let long = std::env::var_os("CASEMATE_LONG").is_some();
    for name in RIGHT {
        let (right, _) = sev_snp(name);
        right.judge().unwrap();
        for place in 0..right.evidence.report.len() {
            let each = long || BITS.iter().any(|field| field.contains(&place));
            let bits = if each { 0..8 } else { place % 8..place % 8 + 1 };
            bits.for_each(|bit| is_refused_with(&right, place, 1 << bit));
        }
    }
}

#[test]
fn no_byte_of_a_certificate_is_free() {
    let (right, _) = sev_snp(RIGHT[0]);
    for place in 0..right.endorsements.certificates.len() {
        let mut made = right.clone();
        made.endorsements.certificates[place] ^= 1;
        assert!(made.judge().is_err(), "byte {place}");
    }
}

#[test]
fn no_byte_of_a_list_is_free() {
    let (right, _) = sev_snp(RIGHT[0]);
    for place in 0..right.endorsements.crls[0].len() {
        let mut made = right.clone();
        made.endorsements.crls[0][place] ^= 1;
        assert_eq!(made.judge().unwrap_err().step, "evidence.crl", "byte {place}");
    }
}

#[test]
fn what_is_cut_off_is_refused() {
    let (right, _) = sev_snp("turin-vcek-v5");
    let step = 7;
    for length in (0..right.endorsements.certificates.len()).step_by(step) {
        let mut made = right.clone();
        made.endorsements.certificates.truncate(length);
        assert!(made.judge().is_err(), "{length} bytes of the table");
    }
    for length in (0..right.endorsements.crls[0].len()).step_by(step) {
        let mut made = right.clone();
        made.endorsements.crls[0].truncate(length);
        assert_eq!(
            made.judge().unwrap_err().step,
            "evidence.crl",
            "{length} bytes of the list"
        );
    }
    for length in 0..right.evidence.report.len() {
        let mut made = right.clone();
        made.evidence.report.truncate(length);
        assert_eq!(
            made.judge().unwrap_err().step,
            "evidence.report",
            "{length} bytes of the report"
        );
    }
}

#[test]
fn a_certificate_with_another_byte_is_refused() {
    let right = case("of a custodian");
    right.peer.verify(&right.certificate, right.at).unwrap();
    for place in 0..right.certificate.len() {
        let mut changed = right.certificate.clone();
        changed[place] ^= 1;
        assert!(right.peer.verify(&changed, right.at).is_err(), "byte {place}");
    }
    for length in (0..right.certificate.len()).step_by(5) {
        assert!(
            right.peer.verify(&right.certificate[..length], right.at).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn a_report_is_of_no_other_platform() {
    let (right, _) = sev_snp(RIGHT[0]);
    for format in [Format::Tpm, Format::Tdx, Format::Sgx, Format::Nitro] {
        let mut made = right.clone();
        made.evidence.format = format;
        assert!(made.judge().is_err(), "{}", format.name());
    }
}

#[test]
fn what_is_too_large_is_not_looked_at() {
    let large = vec![0; casemate_ra_tls::MAX_CERTIFICATE_BYTES + 1];
    let refused = RaTlsCertificate::read(&large).unwrap_err();
    assert_eq!(refused.got.as_deref(), Some("65537"));
    let (mut made, _) = sev_snp("list-is-too-large");
    let refused = made.judge().unwrap_err();
    let length = made.endorsements.crls.pop().unwrap().len();
    assert_eq!((refused.step, refused.got), ("evidence.crl", Some(length.to_string())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_no_certificate(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let refused = RaTlsCertificate::read(&data).unwrap_err();
        assert!(!refused.to_string().contains('\n'));
    }

    #[test]
    fn any_bytes_are_no_evidence(
        report in prop::collection::vec(any::<u8>(), 0..1200),
        certificates in prop::collection::vec(any::<u8>(), 0..200),
        list in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (mut made, _) = sev_snp("milan-vcek-v5");
        made.evidence.report = report;
        made.judge().unwrap_err();
        let (mut made, _) = sev_snp("milan-vcek-v5");
        made.endorsements = Endorsements { certificates, ..made.endorsements };
        made.judge().unwrap_err();
        let (mut made, _) = sev_snp("milan-vcek-v5");
        made.endorsements.crls.push(list);
        made.judge().unwrap_err();
    }

    #[test]
    fn certificates_with_other_bytes_give_no_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (mut made, _) = sev_snp("milan-vlek-v2");
        let place = place.index(made.endorsements.certificates.len());
        made.endorsements.certificates[place] = byte;
        let _ = made.judge();
    }
}

#[test]
fn json_of_the_wire_form_has_one_spelling() {
    let endorsements = serde_json::from_str::<Endorsements>;
    endorsements(r#"{"certificates":"","crls":[]}"#).unwrap();
    endorsements(r#"{"certificates":"","crls":[],"documents":["AQ"]}"#).unwrap();
    endorsements(r#"{"certificates":"","crls":[],"documents":[]}"#).unwrap_err();
    let parse = serde_json::from_str::<Evidence>;
    parse(r#"{"format":"sev-snp-report","report":"AQI"}"#).unwrap();
    for wrong in [
        r#"{"format":"sev-snp-report","report":"AQI="}"#,
        r#"{"format":"sev-snp-report","report":"AQJ"}"#,
        r#"{"format":"sev-snp-report","report":null}"#,
        r#"{"format":"sev-snp-report","report":"AQI","log":null}"#,
        r#"{"format":"sev-snp-report","report":"AQI","more":1}"#,
        r#"{"format":"sev-snp-report","format":"sev-snp-report","report":"AQI"}"#,
        r#"{"format":"SEV-SNP-REPORT","report":"AQI"}"#,
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
