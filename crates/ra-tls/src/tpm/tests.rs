//! What the vectors say of each quote, made-up and real, Python's verifier says as well.

use std::collections::BTreeSet;

use casemate_wire::encoding::time;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::{Value, json};

use super::structures::Quote;
use super::{BANK, chain, pcr_of};
use crate::expectations::hex as text_of;
use crate::vectors::{hex, json as file, ours, read};
use crate::x509::Certificate;
use crate::{Claims, Endorsements, Error, Evidence, Expected, Format, Platform, Roots, verify};

/// A case of spec/vectors/tpm.
#[derive(Clone)]
struct Made {
    roots: Vec<Certificate>,
    evidence: Evidence,
    endorsements: Endorsements,
    at: i64,
    expected: Expected,
    outcome: Value,
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap())
}

impl Made {
    fn named(name: &str) -> Self {
        let value = file(&ours("tpm/cases").join(format!("{name}.json")));
        let read = |name: &str| read(&ours("tpm").join(name));
        let text = |name: &str| value[name].as_str().unwrap();
        let wanted = &value["expected"];
        let bytes = |name: &str| hex(wanted[name].as_str().unwrap());
        let floors = wanted["floors"].as_object().unwrap().iter();
        Self {
            roots: texts(&value["roots"])
                .map(|name| Certificate::parse(&read(name), "root").unwrap())
                .collect(),
            evidence: Evidence {
                format: Format::Tpm,
                report: read(text("report")),
                log: value["log"].as_str().map(read),
            },
            endorsements: Endorsements {
                certificates: read(text("certificates")),
                crls: texts(&value["lists"]).map(read).collect(),
                documents: Vec::new(),
            },
            at: time(text("at")).unwrap(),
            expected: Expected {
                report_data: bytes("report_data").try_into().unwrap(),
                manifest: bytes("manifest").try_into().unwrap(),
                floors: floors
                    .map(|(name, number)| (name.clone(), number.as_u64().unwrap()))
                    .collect(),
                max_vmpl: 0,
                excused: texts(&wanted["excused"]).map(str::to_owned).collect(),
            },
            outcome: value["outcome"].clone(),
        }
    }

    fn judge(&self) -> Result<Claims, Error> {
        super::verify(&self.roots, &self.evidence, &self.endorsements, self.at, &self.expected)
    }

    fn step(&self) -> &'static str {
        self.judge().unwrap_err().step
    }
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(ours("tpm/cases")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn said(claims: &Claims) -> Value {
    json!({"claims": {
        "platform": claims.platform.name(),
        "measurement": claims.runtime_measurement.strip_prefix("sha256:").unwrap(),
        "report_data": text_of(&claims.report_data),
        "lacks": claims.lacks,
        "seen": claims.seen,
    }})
}

#[test]
fn quotes_are_judged_as_the_vectors_say() {
    let names = names();
    assert!(names.len() > 110);
    for name in names {
        let made = Made::named(&name);
        let outcome = match made.judge() {
            Ok(claims) => said(&claims),
            // Codes are Python's classes of errors.
            Err(error) => json!({"refused": {"code": made.outcome["refused"]["code"], "step": error.step}}),
        };
        assert_eq!(outcome, made.outcome, "{name}");
    }
}

#[test]
fn claims_are_what_the_quote_says() {
    let claims = Made::named("ecdsa-p256").judge().unwrap();
    let made = Made::named("ecdsa-p256");
    let quote = Quote::parse(&made.evidence.report).unwrap();
    assert_eq!((claims.platform, claims.product), (Platform::Tpm, "tpm"));
    assert_eq!(claims.manifest, made.expected.manifest);
    assert_eq!(claims.values["key"], text_of(&claims.hardware));
    assert_eq!(claims.values["name"], text_of(&quote.key.name));
    assert_eq!(claims.values["pcr15"], text_of(&pcr_of(&made.expected.manifest)));
    assert_eq!(claims.values["authority"], "google");
    assert!(!claims.values.contains_key("instance"));
    assert!(claims.tcb.is_empty() && claims.tcb_status.is_none() && claims.chosen.is_empty());
    let quoted = quote.bank(BANK).len();
    assert_eq!(claims.values.len(), 3 + quoted);

    let excused = Made::named("authority-excused").judge().unwrap();
    assert_eq!(excused.lacks, BTreeSet::from(["authority"]));
    assert!(!excused.values.contains_key("authority"));

    let machine = Made::named("certified-for-a-machine").judge().unwrap().values;
    let named = ["zone", "project", "instance"].map(|name| machine[name].as_str());
    assert_eq!(named, ["zone-1", "project", "18446744073709551615"]);
}

/// Steps in which certificates are verified, or logs replayed.
const LATE: [&str; 8] = [
    "evidence.authority",
    "evidence.chain",
    "evidence.root",
    "evidence.crl",
    "evidence.revoked",
    "evidence.validity",
    "evidence.crl_floor",
    "evidence.log",
];

#[test]
fn what_is_for_others_is_refused_before_what_costs_more() {
    let mut tried = 0;
    for name in names() {
        let made = Made::named(&name);
        let step = made.outcome["refused"]["step"].as_str().unwrap_or_default();
        if !LATE.contains(&step) {
            continue;
        }
        tried += 1;
        let mut other = made.clone();
        other.expected.report_data = [b'o'; 64];
        assert_eq!(other.step(), "evidence.report_data", "{name}");
        let mut other = made.clone();
        other.expected.manifest = [b'o'; 32];
        assert_eq!(other.step(), "evidence.manifest", "{name}");
    }
    assert!(tried > 30);
}

#[test]
fn googles_roots_count_where_the_caller_trusts_them_and_no_others() {
    assert_eq!(chain::shipped_roots(&Roots::shipped()).len(), 2);
    let others = Roots {
        google: false,
        ..Roots::shipped()
    };
    assert!(chain::shipped_roots(&others).is_empty());
    let made = Made::named("ecdsa-p256");
    for roots in [Roots::shipped(), others.clone()] {
        let refused = verify(&made.evidence, &made.endorsements, &roots, made.at, &made.expected);
        assert_eq!(refused.unwrap_err().step, "evidence.root");
    }
    let excused = Made::named("authority-excused");
    let claims = verify(
        &excused.evidence,
        &excused.endorsements,
        &others,
        excused.at,
        &excused.expected,
    );
    assert_eq!(claims.unwrap().lacks, BTreeSet::from(["authority"]));
}

/// Bits, by number, that nobody signs and that no step needs: of the attributes of TPM2B_PUBLIC those that leave the key
/// as safe as it is (stClear, userWithAuth, adminWithPolicy, noDA, encryptedDuplication, x509sign).
fn unauthenticated(report: &[u8]) -> BTreeSet<usize> {
    let attributes = Quote::parse(report).unwrap().key.attributes.to_be_bytes();
    // Behind the kind of key and the hash of its name.
    let head = [&[0x00, 0x0b], attributes.as_slice()].concat();
    let place = report.windows(head.len()).rposition(|part| part == head).unwrap() + 2;
    [2, 6, 7, 10, 11, 19].map(|bit| 8 * place + 31 - bit).into()
}

#[test]
fn no_bit_of_a_quote_is_free_but_those_that_mean_nothing() {
    for name in ["ecdsa-p256", "ecdsa-p384", "rsassa", "rsapss", "rsassa-sha384"] {
        let right = Made::named(name);
        let report = &right.evidence.report;
        let mut passed = BTreeSet::new();
        for bit in 0..8 * report.len() {
            let mut made = right.clone();
            made.evidence.report[bit / 8] ^= 0x80 >> (bit % 8);
            if let Ok(claims) = made.judge() {
                assert_eq!(said(&claims), right.outcome);
                passed.insert(bit);
            }
        }
        assert_eq!(passed, unauthenticated(report), "{name}");
    }
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused() {
    let right = Made::named("rsassa");
    for length in 0..right.evidence.report.len() {
        let mut made = right.clone();
        made.evidence.report.truncate(length);
        made.judge().unwrap_err();
    }
    let mut made = right.clone();
    made.evidence.report.push(0);
    assert_eq!(made.step(), "evidence.quote");
}

#[test]
fn a_bank_that_comes_twice_is_refused_with_all_of_its_values() {
    let report = Made::named("a-bank-twice").evidence.report;
    // As many values as there could be.
    let refused = Quote::parse(&[report, vec![0; 24 * 32]].concat()).unwrap_err();
    assert!(refused.reason.contains("comes twice"), "{refused}");
}

#[test]
fn no_byte_of_a_certificate_or_list_is_free() {
    let right = Made::named("ecdsa-p256");
    for place in 0..right.endorsements.certificates.len() {
        let mut made = right.clone();
        let byte = &mut made.endorsements.certificates[place];
        // Ends of lines may be of two kinds, and between certificates there may be blanks.
        if byte.is_ascii_whitespace() {
            continue;
        }
        *byte ^= 1;
        assert!(made.judge().is_err(), "byte {place}");
    }
    for list in 0..right.endorsements.crls.len() {
        for place in 0..right.endorsements.crls[list].len() {
            let mut made = right.clone();
            made.endorsements.crls[list][place] ^= 1;
            assert_eq!(made.step(), "evidence.crl", "byte {place}");
        }
    }
}

#[test]
fn what_is_too_large_is_not_read() {
    let refused = Quote::parse(&[0; 16 * 1024 + 1]).unwrap_err();
    assert_eq!(
        (refused.step, refused.got.as_deref()),
        ("evidence.quote", Some("16385"))
    );
    assert_eq!(Quote::parse(&[0; 16 * 1024]).unwrap_err().step, "evidence.algorithm");
    let mut made = Made::named("ecdsa-p256");
    let certificates = &mut made.endorsements.certificates;
    certificates.resize(16 * 1024, b'\n');
    made.judge().unwrap();
    made.endorsements.certificates.push(b'\n');
    assert_eq!(made.step(), "evidence.certificates");
}

#[test]
fn certificates_stand_in_pem_with_nothing_but_blanks_around() {
    let right = Made::named("ecdsa-p256");
    let certificates = right.endorsements.certificates.clone();
    let around = |before: &[u8], behind: &[u8]| {
        let mut made = right.clone();
        made.endorsements.certificates = [before, &certificates, behind].concat();
        made.judge().map(drop).map_err(|error| error.step)
    };
    assert_eq!(around(b" \t\r\n", b"\x0b\x0c\n"), Ok(()));
    for other in [&b"x"[..], b"\0", b"\xff", b"-----BEGIN CERTIFICATE-----"] {
        assert_eq!(around(other, b""), Err("evidence.certificates"));
        assert_eq!(around(b"", other), Err("evidence.certificates"));
    }
    let mut made = right.clone();
    made.endorsements.certificates = b" ".to_vec();
    assert_eq!(made.step(), "evidence.certificates");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_are_a_quote_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let report = Made::named("ecdsa-p256").evidence.report;
        for candidate in [
            data.clone(),
            [&report[..data.len()], &data].concat(),
            [&report[..140], &data].concat(),
            [report.as_slice(), &data].concat(),
        ] {
            let _ = crate::parsers::tpm_quote(&candidate);
        }
    }

    #[test]
    fn any_changed_byte_gives_claims_or_an_error(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for name in ["ecdsa-p384", "rsapss"] {
            let mut made = Made::named(name);
            let place = place.index(made.evidence.report.len());
            made.evidence.report[place] = byte;
            let _ = made.judge();
        }
    }

    #[test]
    fn any_bytes_are_no_endorsements(data in prop::collection::vec(any::<u8>(), 1..300)) {
        let right = Made::named("ecdsa-p256");
        let pem = right.endorsements.certificates.clone();
        let framed = [b"-----BEGIN CERTIFICATE-----\n", &data[..], b"\n-----END CERTIFICATE-----\n"].concat();
        for certificates in [data.clone(), [pem.as_slice(), &framed].concat(), framed.clone()] {
            let mut made = right.clone();
            made.endorsements.certificates = certificates;
            made.judge().unwrap_err();
        }
        let mut made = right.clone();
        made.endorsements.crls.push(data.clone());
        made.judge().unwrap_err();
        let mut made = right;
        made.evidence.log = Some(data);
        made.judge().unwrap_err();
    }
}
