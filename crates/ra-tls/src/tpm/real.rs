//! Quotes of real TPMs as other projects keep them, put into our form. None of them binds a manifest, so that their steps
//! are tried one by one, and all of them together get as far as that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use casemate_wire::encoding::time;
use serde_json::Value;

use super::chain::{Chain, UNDERSTOOD, shipped_roots};
use super::structures::Quote;
use super::{check_log, signed, vouched};
use crate::eventlog::Algorithm;
use crate::expectations::hex as text_of;
use crate::vectors::{hex, json, read, real};
use crate::x509::Certificate;
use crate::{Endorsements, Error, Evidence, Expected, Format, Roots, verify};

/// What go-tpm-tools keep: quotes by the number of their bank, a log, the certificate of the key.
struct Google {
    quotes: BTreeMap<u64, Vec<u8>>,
    log: Vec<u8>,
    certificate: Vec<u8>,
}

const MACHINES: [(&str, &[u8]); 2] = [("gce-cos-85-no-nonce", b""), ("gce-cos-85-nonce9009", b"\x90\x09")];

impl Google {
    /// `attest.Attestation`: 1 the key, 2 quotes, 3 the log, 6 the certificate of the key.
    fn read(folder: &Path, name: &str) -> Self {
        let data = read(&folder.join(format!("{name}.pb")));
        let all = fields(&data);
        let part = |wanted: u64| {
            let found = all.iter().find(|(number, ..)| *number == wanted);
            found.unwrap().2.to_vec()
        };
        let quotes = all.iter().filter(|(number, ..)| *number == 2);
        Self {
            quotes: quotes.map(|(_, _, quote)| wire_form(quote, &part(1))).collect(),
            log: part(3),
            certificate: pem(&part(6)),
        }
    }

    fn sha256(&self) -> &[u8] {
        &self.quotes[&u64::from(Algorithm::Sha256.number())]
    }
}

/// `tpm.Quote`: 1 message, 2 signature, 3 registers: 1 the bank, 2 number and value of each.
fn wire_form(quote: &[u8], public: &[u8]) -> (u64, Vec<u8>) {
    let parts = fields(quote);
    let part = |wanted: u64| parts.iter().find(|(number, ..)| *number == wanted).unwrap().2;
    let registers = fields(part(3));
    let bank = registers.iter().find(|(number, ..)| *number == 1).unwrap().1;
    let values: BTreeMap<u64, &[u8]> = registers
        .iter()
        .filter(|(number, ..)| *number == 2)
        .map(|(_, _, register)| {
            let parts = fields(register);
            let number = parts.iter().find(|(number, ..)| *number == 1);
            let value = parts.iter().find(|(number, ..)| *number == 2).unwrap().2;
            (number.map_or(0, |(_, number, _)| *number), value)
        })
        .collect();
    let values: Vec<u8> = values.into_values().flatten().copied().collect();
    let report = [sized(part(1)), part(2).to_vec(), sized(public), values].concat();
    (bank, report)
}

/// Protocol buffers, as far as these go: the number of a field, and its number or bytes.
fn fields(data: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let (mut found, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        let (tag, behind) = number(rest);
        let (value, behind) = number(behind);
        let length = if tag & 7 == 2 {
            usize::try_from(value).unwrap()
        } else {
            0
        };
        let (bytes, behind) = behind.split_at(length);
        found.push((tag >> 3, value, bytes));
        rest = behind;
    }
    found
}

fn number(data: &[u8]) -> (u64, &[u8]) {
    let last = data.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let (digits, behind) = data.split_at(last + 1);
    let value = digits
        .iter()
        .rev()
        .fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f));
    (value, behind)
}

/// TPM2B_…
fn sized(data: &[u8]) -> Vec<u8> {
    [&u16::try_from(data.len()).unwrap().to_be_bytes()[..], data].concat()
}

/// Of DER or PEM.
fn parsed(certificate: &[u8]) -> Certificate {
    Certificate::parse_where(&UNDERSTOOD, certificate, "certificate").unwrap()
}

fn pem(certificate: &[u8]) -> Vec<u8> {
    let base64 = STANDARD.encode(parsed(certificate).der);
    format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n").into_bytes()
}

fn endorsements(certificates: &[&[u8]]) -> Endorsements {
    Endorsements {
        certificates: certificates.concat(),
        ..Endorsements::default()
    }
}

fn expected(excused: &str) -> Expected {
    Expected {
        report_data: [0; 64],
        manifest: [0; 32],
        floors: BTreeMap::new(),
        max_vmpl: 0,
        excused: BTreeSet::from([excused.to_owned()]),
    }
}

/// Steps 1 to 5 of a report.
fn step(report: &[u8]) -> Option<&'static str> {
    let quote = Quote::parse(report);
    quote.and_then(|quote| signed(&quote)).err().map(|error| error.step)
}

/// Step 8 of it.
fn chain_of(report: &[u8], endorsements: &Endorsements, excused: &str) -> Result<Option<Chain>, Error> {
    let key = signed(&Quote::parse(report).unwrap()).unwrap();
    vouched(&key, endorsements, shipped_roots(&Roots::shipped()), &expected(excused))
}

#[test]
fn a_quote_of_a_google_machine_verifies_with_its_log() {
    let Some(folder) = real("tpm/go-tpm-tools") else { return };
    let above = pem(&read(&folder.join("tpm_ek_intermediate_2.crt")));
    for (name, nonce) in MACHINES {
        let kept = Google::read(&folder, name);
        let report = kept.sha256();
        let quote = Quote::parse(report).unwrap();
        assert_eq!(quote.attest.extra, nonce, "{name}");
        let came = endorsements(&[&kept.certificate, &above]);
        let chain = chain_of(report, &came, "crl").unwrap().unwrap();
        assert!(chain.lacks_lists);
        let instance = 0x5E53_E3FB_BF83_06C5_u64.to_string();
        let machine = [
            ("zone", "us-central1-a".to_owned()),
            ("project", "google.com:wuale-gcp-testing".to_owned()),
            ("instance", instance),
        ];
        assert_eq!(chain.machine, machine, "{name}");
        assert_eq!(chain_of(report, &came, "nothing").unwrap_err().step, "evidence.crl");
        check_log(Some(&kept.log), &quote).unwrap();
        let other = read(&folder.join("rhel8-uefi.bin"));
        assert_eq!(check_log(Some(&other), &quote).unwrap_err().step, "evidence.log");
    }
}

#[test]
fn certificates_hold_from_their_first_to_their_last_second() {
    let Some(folder) = real("tpm/go-tpm-tools") else { return };
    let kept = Google::read(&folder, MACHINES[0].0);
    let above = pem(&read(&folder.join("tpm_ek_intermediate_2.crt")));
    let came = endorsements(&[&kept.certificate, &above]);
    let chain = chain_of(kept.sha256(), &came, "crl").unwrap().unwrap();
    let leaf = parsed(kept.certificate.trim_ascii_end());
    for (at, holds) in [
        (leaf.start, true),
        (leaf.end, true),
        (leaf.start - 1, false),
        (leaf.end + 1, false),
    ] {
        let step = chain.check_times(at).err().map(|error| error.step);
        assert_eq!(step, (!holds).then_some("evidence.validity"));
    }
}

#[test]
fn quotes_of_other_banks_are_refused() {
    let Some(folder) = real("tpm/go-tpm-tools") else { return };
    for (name, _) in MACHINES {
        let kept = Google::read(&folder, name);
        assert_eq!(kept.quotes.len(), 3);
        for bank in [Algorithm::Sha1, Algorithm::Sha384] {
            let report = &kept.quotes[&u64::from(bank.number())];
            assert_eq!(step(report), Some("evidence.banks"), "{name}");
        }
    }
}

#[test]
fn no_manifest_is_bound() {
    let Some(folder) = real("tpm/go-tpm-tools") else { return };
    let kept = Google::read(&folder, MACHINES[0].0);
    let above = pem(&read(&folder.join("tpm_ek_intermediate_2.crt")));
    let evidence = Evidence {
        format: Format::Tpm,
        report: kept.sha256().to_vec(),
        log: Some(kept.log.clone()),
    };
    let at = time("2022-06-01T00:00:00Z").unwrap();
    let came = endorsements(&[&kept.certificate, &above]);
    let refused = verify(&evidence, &came, &Roots::shipped(), at, &expected("crl")).unwrap_err();
    assert_eq!(refused.step, "evidence.manifest");
    assert_eq!(refused.got, Some("0".repeat(64)));
}

#[test]
fn another_authority_did_not_sign_the_key() {
    let Some(folder) = real("tpm/go-tpm-tools") else { return };
    let kept = Google::read(&folder, MACHINES[0].0);
    let other = pem(&read(&folder.join("tpm_ek_intermediate_3.crt")));
    for others in [&b""[..], &other] {
        let refused = chain_of(kept.sha256(), &endorsements(&[&kept.certificate, others]), "crl");
        assert_eq!(refused.unwrap_err().step, "evidence.root");
    }
}

#[test]
fn keys_that_sign_have_a_chain_and_keys_that_decrypt_have_none() {
    let Some(folder) = real("tpm/go-tpm-tools") else { return };
    for (owner, authority) in [
        ("uca", "tpm_ek_intermediate_3.crt"),
        ("pca", "gcp_ek_ak_ca_intermediate_v3.crt"),
    ] {
        let above = pem(&read(&folder.join(authority)));
        for (kind, signs) in [
            ("ecc_sign", true),
            ("rsa_sign", true),
            ("ecc_enc", false),
            ("rsa_enc", false),
        ] {
            let name = format!("{owner}_tpm_{kind}_cert.pem");
            let leaf = pem(&read(&folder.join(&name)));
            let spki = parsed(&leaf).public_key;
            let roots = shipped_roots(&Roots::shipped());
            let chain = Chain::verified(&endorsements(&[&leaf, &above]), &spki, roots, true);
            if signs {
                let chain = chain.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(chain.machine[1].1, "google.com:wuale-gcp-testing", "{name}");
                chain.check_times(time("2024-01-01T00:00:00Z").unwrap()).unwrap();
            } else {
                assert_eq!(chain.unwrap_err().step, "evidence.chain", "{name}");
            }
        }
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn a_quote_of_sha1_only_is_refused_by_name() {
    let Some(folder) = real("tpm/go-attestation") else {
        return;
    };
    let kept = json(&folder.join("windows_gcp_shielded_vm.json"));
    let values: BTreeMap<u64, Vec<u8>> = kept["Log"]["PCRs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["Index"].as_u64().unwrap(), decoded(&entry["Digest"])))
        .collect();
    let values: Vec<u8> = values.into_values().flatten().collect();
    let report = [
        sized(&decoded(&kept["Quote"]["Quote"])),
        decoded(&kept["Quote"]["Signature"]),
        sized(&decoded(&kept["AK"]["Public"])),
        values,
    ]
    .concat();
    assert_eq!(step(&report), Some("evidence.banks"));
}

/// It has the numbers of the key only, and gets the attributes that such a key has.
#[test]
fn a_quote_whose_key_is_known_by_its_numbers() {
    let Some(folder) = real("tpm/trustee") else { return };
    let kept = json(&folder.join("tpm_evidence.json"));
    let quote = &kept["tpm_quote"];
    let spki = decoded(&kept["ak_public"]);
    // Of 2,048 bits: the modulus stands before the exponent, which has a head of two bytes and three more.
    let modulus = &spki[spki.len() - 5 - 256..spki.len() - 5];
    let head = hex("0001000b00050072000000100014000b080000000000");
    let values = quote["pcrs"].as_array().unwrap().iter();
    let values: Vec<u8> = values.flat_map(|value| hex(value.as_str().unwrap())).collect();
    let mut report = [
        sized(&decoded(&quote["message"])),
        decoded(&quote["signature"]),
        sized(&[head, sized(modulus)].concat()),
        values,
    ]
    .concat();
    let key = signed(&Quote::parse(&report).unwrap()).unwrap();
    assert_eq!(text_of(&key.spki), text_of(&spki));
    let nothing = Endorsements::default();
    assert!(chain_of(&report, &nothing, "authority").unwrap().is_none());
    assert_eq!(
        chain_of(&report, &nothing, "crl").unwrap_err().step,
        "evidence.authority"
    );
    *report.last_mut().unwrap() ^= 1;
    assert_eq!(step(&report), Some("evidence.pcrs"));
}
