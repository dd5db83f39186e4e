//! Both platforms: what the vectors say of quotes, and that nothing of one is free.

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::json;

use super::given::Case;
use super::machine::Machine;
use super::quote::Quote;
use super::{chain, read_document, read_quote};
use crate::vectors::{ours, read};
use crate::x509::Certificate;
use crate::{Format, Roots, verify};

/// Of each layout that there is.
const RIGHT: [(&str, &str); 6] = [
    ("sgx", "version-3"),
    ("sgx", "version-4"),
    ("sgx", "version-5"),
    ("tdx", "version-4"),
    ("tdx", "version-5"),
    ("tdx", "version-5-tdx-1.5"),
];

fn right() -> impl Iterator<Item = Case> {
    RIGHT.into_iter().map(|(platform, name)| {
        let case = Case::named(platform, name);
        case.judge().unwrap();
        case
    })
}

fn step(case: &Case) -> &'static str {
    case.judge().unwrap_err().step
}

#[test]
fn quotes_are_judged_as_the_vectors_say() {
    for (platform, least) in [("tdx", 250), ("sgx", 680)] {
        let all = Case::all(platform);
        assert!(all.len() > least);
        for case in all {
            let outcome = match case.judge() {
                Ok(claims) => json!({"claims": {"tcb_status": claims.tcb_status, "advisories": claims.advisories}}),
                // Codes are Python's classes of errors.
                Err(error) => json!({"refused": {"code": case.outcome["refused"]["code"], "step": error.step}}),
            };
            assert_eq!(outcome, case.outcome, "{platform}: {}", case.name);
        }
    }
}

#[test]
fn a_quote_of_the_other_platform_is_refused() {
    for mut case in right() {
        case.evidence.format = match case.evidence.format {
            Format::Tdx => Format::Sgx,
            _ => Format::Tdx,
        };
        assert_eq!(step(&case), "evidence.quote", "{}", case.name);
    }
}

#[test]
fn nobody_believes_a_root_that_is_not_theirs() {
    let mine = chain::trusted_root(&Roots::shipped());
    for case in right() {
        for root in [None, mine] {
            assert_eq!(
                case.judge_under(root).unwrap_err().step,
                "evidence.root",
                "{}",
                case.name
            );
        }
        for roots in [Roots::default(), Roots::shipped()] {
            let refused = verify(&case.evidence, &case.endorsements, &roots, case.at, &case.expected);
            assert_eq!(refused.unwrap_err().step, "evidence.root", "{}", case.name);
        }
    }
}

/// In every byte one bit, in what one of them signs each; with CASEMATE_LONG each in every byte of all.
#[test]
fn no_bit_of_a_quote_is_free() {
    let long = std::env::var_os("CASEMATE_LONG").is_some();
    for mut case in right().filter(|case| long || ["version-3", "version-5-tdx-1.5"].contains(&case.name.as_str())) {
        let signed = Quote::parse(&case.evidence.report).unwrap().signed.len();
        for place in 0..case.evidence.report.len() {
            let each = long || (place < signed && case.name != "version-3");
            let bits = if each { 0..8 } else { place % 8..place % 8 + 1 };
            for bit in bits {
                case.evidence.report[place] ^= 1 << bit;
                assert!(case.judge().is_err(), "{}: bit {bit} of byte {place}", case.name);
                case.evidence.report[place] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn no_byte_of_lists_and_documents_is_free() {
    let case = Case::named("tdx", "version-4");
    for which in 0..2 {
        for place in 0..case.endorsements.crls[which].len() {
            let mut changed = case.clone();
            changed.endorsements.crls[which][place] ^= 1;
            assert_eq!(step(&changed), "evidence.crl", "list {which}: byte {place}");
        }
        for place in 0..case.endorsements.documents[which].len() {
            let mut changed = case.clone();
            // Digits in the other case are the same digits, which this does not make.
            changed.endorsements.documents[which][place] ^= 1;
            assert!(
                step(&changed).starts_with("evidence.document"),
                "document {which}: byte {place}"
            );
        }
    }
}

/// Of what nobody needs, such as a root beside the signer, anything may be changed.
#[test]
fn certificates_that_were_changed_are_refused_or_were_not_looked_at() {
    let case = Case::named("sgx", "version-3");
    let claims = case.judge().unwrap();
    let mut refused = 0;
    for place in 0..case.endorsements.certificates.len() {
        let mut changed = case.clone();
        changed.endorsements.certificates[place] ^= 1;
        match changed.judge() {
            Ok(found) => assert_eq!(found, claims, "byte {place}"),
            Err(_) => refused += 1,
        }
    }
    let signer = case.endorsements.certificates.len() / 2 - 100;
    assert!(refused > signer, "{refused}");
}

#[test]
fn what_is_cut_off_is_refused() {
    for case in right() {
        for length in 0..case.evidence.report.len() {
            let refused = read_quote(&case.evidence.report[..length]).unwrap_err();
            assert_eq!(refused.step, "evidence.quote", "{}: {length} bytes", case.name);
        }
    }
    let case = Case::named("tdx", "version-4");
    for length in (0..case.endorsements.documents[0].len()).step_by(7) {
        let mut cut = case.clone();
        cut.endorsements.documents[0].truncate(length);
        assert_eq!(step(&cut), "evidence.documents", "{length} bytes");
    }
}

#[test]
fn quotes_and_documents_may_be_so_long() {
    for (length, wanted) in [(64 * 1024, None), (64 * 1024 + 1, Some("evidence.quote"))] {
        let mut case = Case::named("tdx", "version-4");
        case.evidence.report.resize(length, 0);
        assert_eq!(case.judge().err().map(|error| error.step), wanted);
    }
    for (length, wanted) in [(256 * 1024, None), (256 * 1024 + 1, Some("evidence.documents"))] {
        let mut case = Case::named("tdx", "version-4");
        case.endorsements.documents[0].resize(length, b' ');
        assert_eq!(case.judge().err().map(|error| error.step), wanted);
    }
}

#[test]
fn certificates_in_a_quote_are_not_longer_than_three() {
    let case = Case::named("tdx", "version-4");
    let quote = Quote::parse(&case.evidence.report).unwrap();
    let text = std::str::from_utf8(quote.attested.certification).unwrap();
    for (length, wanted) in [(8 * 1024, None), (8 * 1024 + 1, Some("evidence.pck"))] {
        let lines = format!("-----\n{}M", "\n".repeat(length - text.len()));
        let longer = text.replacen("-----\nM", &lines, 1);
        let found = chain::verified_chain(longer.as_bytes(), &case.root);
        assert_eq!(found.err().map(|error| error.step), wanted);
    }
    assert_eq!(
        chain::pem_parts(&[b'\n'; 64 * 1024 + 1]).unwrap_err().step,
        "evidence.pck"
    );
}

#[test]
fn what_fuzzing_starts_from_is_accepted() {
    for case in right() {
        read_quote(&case.evidence.report).unwrap();
        case.endorsements
            .documents
            .iter()
            .for_each(|document| read_document(document).unwrap());
    }
}

fn extension() -> Vec<u8> {
    let case = Case::named("tdx", "version-4");
    let quote = Quote::parse(&case.evidence.report).unwrap();
    let parts = chain::pem_parts(quote.attested.certification).unwrap();
    let leaf = Certificate::parse(&parts[0], "leaf").unwrap();
    leaf.extension(&super::machine::SGX_EXTENSIONS).unwrap().to_vec()
}

/// Of two values of one name readers take the first or the last.
#[test]
fn nothing_is_said_of_a_machine_twice() {
    let extension = extension();
    Machine::parse(&extension).unwrap();
    let [0x30, 0x82, high, low, content @ ..] = extension.as_slice() else {
        panic!("another length")
    };
    let first = &content[..usize::from(content[1]) + 2];
    let length = u16::from_be_bytes([*high, *low]) + u16::try_from(first.len()).unwrap();
    let twice = [&[0x30, 0x82], &length.to_be_bytes()[..], content, first].concat();
    let refused = Machine::parse(&twice).unwrap_err();
    assert!(refused.reason.ends_with("an OID twice"), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_are_no_quote(data in prop::collection::vec(any::<u8>(), 0..1500)) {
        let header = read(&ours("tdx/quotes/version-4.bin"))[..48].to_vec();
        for candidate in [data.clone(), [header, data].concat()] {
            let refused = read_quote(&candidate).unwrap_err();
            assert_eq!(refused.step, "evidence.quote");
            assert!(!refused.to_string().contains('\n'));
        }
    }

    #[test]
    fn any_bytes_are_no_endorsements(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let case = Case::named("tdx", "version-4");
        let mut made = case.clone();
        made.endorsements.certificates.clone_from(&data);
        made.judge().unwrap_err();
        let mut made = case.clone();
        made.endorsements.crls.push(data.clone());
        assert_eq!(step(&made), "evidence.crl");
        let mut made = case;
        made.endorsements.documents.push(data);
        assert_eq!(step(&made), "evidence.documents");
    }

    #[test]
    fn any_bytes_say_of_no_machine(data in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_eq!(Machine::parse(&data).unwrap_err().step, "evidence.pck");
    }

    #[test]
    fn extensions_with_other_bytes_give_no_panic(place in any::<prop::sample::Index>(), bytes in any::<[u8; 3]>()) {
        let mut extension = extension();
        let place = place.index(extension.len() - bytes.len());
        extension[place..place + bytes.len()].copy_from_slice(&bytes);
        if let Err(refused) = Machine::parse(&extension) {
            assert_eq!(refused.step, "evidence.pck");
        }
        extension.truncate(place);
        Machine::parse(&extension).unwrap_err();
    }

    #[test]
    fn documents_with_other_bytes_give_no_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for name in ["0", "1"] {
            let mut document = read(&ours(&format!("tdx/documents/version-4.{name}.json")));
            let place = place.index(document.len());
            document[place] = byte;
            if let Err(refused) = read_document(&document) {
                assert_eq!(refused.step, "evidence.documents");
            }
        }
    }
}
