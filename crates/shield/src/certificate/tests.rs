#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use casemate_evidence::{Binding, Error, Format};
use casemate_testing::UnsignedPlatform;
use serde_json::Value;

use super::renewing::Renewing;
use super::*;

const REPORT_DATA: std::ops::Range<usize> = 0x50..0x90;
/// What the custodian says.
const NOW: u64 = 2_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
/// What identifies the extension, and the record's type in it.
const TYPE: &[u8] = b"application/vnd.casemate.ra-tls+json";

fn holder() -> Holder {
    Holder {
        custodian: [1; 32],
        manifest: [2; 32],
        keys: AttestedKeys {
            signing_key: [3; 32],
            hpke_key: [4; 32],
        },
    }
}

fn maker(lifetime: Duration) -> (Maker, Zeroizing<Vec<u8>>) {
    Maker::new(
        Box::new(UnsignedPlatform::default()),
        holder(),
        Time::heard(NOW),
        lifetime,
    )
    .unwrap()
}

fn der_of(pem: &[u8], label: &str) -> Vec<u8> {
    let text = std::str::from_utf8(pem).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("-----BEGIN {label}-----"));
    assert_eq!(lines[lines.len() - 1], format!("-----END {label}-----"));
    assert!(lines.iter().all(|line| line.len() <= LINE.max(label.len() + 20)));
    STANDARD.decode(lines[1..lines.len() - 1].concat()).unwrap()
}

/// What a certificate carries: the JSON behind the name of its type.
fn carried(der: &[u8]) -> Value {
    let at = der.windows(TYPE.len()).position(|window| window == TYPE).unwrap() + TYPE.len();
    let json = &der[der[at..].iter().position(|byte| *byte == b'{').unwrap() + at..];
    let value: Value = serde_json::Deserializer::from_slice(json)
        .into_iter()
        .next()
        .unwrap()
        .unwrap();
    assert!(json.starts_with(value.to_string().as_bytes()), "not canonical");
    value
}

#[test]
fn the_evidence_is_for_tls_and_binds_the_key_of_the_certificate() {
    let (mut maker, key) = maker(HOUR);
    let certificate = der_of(&maker.issue().unwrap().certificate, "CERTIFICATE");
    let carried = carried(&certificate);
    let report = URL_SAFE_NO_PAD
        .decode(carried["evidence"]["report"].as_str().unwrap())
        .unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der_of(&key, "PRIVATE KEY")).unwrap();
    let public = pair.public_key().as_der().unwrap();
    let public: &[u8] = public.as_ref();
    assert!(certificate.windows(public.len()).any(|window| window == public));
    let nonce = Sha256::digest(public).into();
    let wanted = report_data(Purpose::RaTls, &[1; 32], &nonce, &[3; 32], &[4; 32], &[2; 32]);
    assert_eq!(report[REPORT_DATA], wanted);
    assert_eq!(carried["custodian"], digests::text(&[1; 32]));
    assert_eq!(carried["manifest"], digests::text(&[2; 32]));
    assert_eq!(
        carried["signing_key"],
        format!("ed25519:{}", URL_SAFE_NO_PAD.encode([3; 32]))
    );
    assert_eq!(
        carried["hpke_key"],
        format!("x25519:{}", URL_SAFE_NO_PAD.encode([4; 32]))
    );
    assert_eq!(carried.get("instance"), None);
}

#[test]
fn a_certificate_is_of_the_one_form_and_lives_no_longer_than_was_asked_and_never_more_than_a_day() {
    for (lifetime, most) in [(60, 360), (3600, 3900), (86_400, 86_400)] {
        let (mut maker, _) = maker(Duration::from_secs(lifetime));
        let certificate = der_of(&maker.issue().unwrap().certificate, "CERTIFICATE");
        let found = casemate_wire::certificate::read(&certificate).unwrap();
        let [start, end] = times(&certificate);
        assert_eq!(end - start, most, "{lifetime}");
        assert_eq!(found.form.public_key, maker.public);
    }
}

fn times(certificate: &[u8]) -> [u64; 2] {
    let found = casemate_wire::certificate::read(certificate).unwrap();
    [found.form.start, found.form.end].map(|time| u64::try_from(time).unwrap())
}

#[test]
fn two_makers_never_have_one_key_and_two_certificates_never_one_number() {
    let (mut one, key) = maker(HOUR);
    let (_, other) = maker(HOUR);
    assert!(*key != *other);
    assert_ne!(one.issue().unwrap().certificate, one.issue().unwrap().certificate);
}

#[test]
fn what_is_printed_has_no_key() {
    let (maker, _) = maker(HOUR);
    assert!(!format!("{maker:?}").contains("pair"));
}

/// A platform with a log, which answers only as long as it is said to.
struct Logging {
    log: usize,
    report: usize,
    answers: Arc<Mutex<bool>>,
}

impl Platform for Logging {
    fn evidence(&mut self, _: &[u8; 64]) -> Result<Evidence, Error> {
        if !*self.answers.lock().unwrap() {
            return Err(Error::AnotherDomain);
        }
        let mut evidence = Evidence::of(Format::Tpm, vec![7; self.report]);
        evidence.log = Some(vec![8; self.log]);
        Ok(evidence)
    }

    fn binding(&self, _: &Evidence, _: &[u8; 32]) -> Result<Binding, Error> {
        Ok(Binding::This)
    }

    fn derive_key(&mut self, _: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        Err(Error::AnotherDomain)
    }
}

fn logging(log: usize, report: usize) -> (Box<Logging>, Arc<Mutex<bool>>) {
    let answers = Arc::new(Mutex::new(true));
    let own = Arc::clone(&answers);
    (Box::new(Logging { log, report, answers }), own)
}

#[test]
fn a_log_that_does_not_fit_is_left_out_and_what_does_not_fit_without_it_is_an_error() {
    for (log, stays) in [(1000, true), (50_000, false)] {
        let (mut maker, _) = Maker::new(logging(log, 100).0, holder(), Time::heard(NOW), HOUR).unwrap();
        let certificate = der_of(&maker.issue().unwrap().certificate, "CERTIFICATE");
        assert!(certificate.len() <= MAX_CERTIFICATE);
        assert_eq!(carried(&certificate)["evidence"].get("log").is_some(), stays);
    }
    let (mut maker, _) = Maker::new(logging(1, 60_000).0, holder(), Time::heard(NOW), HOUR).unwrap();
    let failure = maker.issue().unwrap_err();
    assert_eq!(
        (failure.exit, failure.cause.contains("too large")),
        (Exit::Platform, true)
    );
}

fn renewing(folder: &std::path::Path) -> (Renewing, Pair, Arc<Mutex<bool>>) {
    let (platform, answers) = logging(10, 10);
    let (pair, certified) = Certified::first(platform, holder(), Time::heard(NOW), HOUR).unwrap();
    let opened = || Folder::new(fs::File::open(folder).unwrap().into());
    opened().place_key(&pair.key).unwrap();
    opened().replace_certificate(&pair.certificate).unwrap();
    (Renewing::of(certified, opened()), pair, answers)
}

#[test]
fn it_is_renewed_when_half_of_its_time_is_over_and_the_key_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut renewing, pair, _) = renewing(folder.path());
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let now = Duration::from_secs(NOW);
    assert!(renewing.look(now).is_none());
    assert!(renewing.look(now + HOUR / 2 - Duration::from_secs(9)).is_none());
    assert_eq!(read("certificate.pem"), pair.certificate);
    let mut last = pair.certificate.clone();
    for later in [now + HOUR / 2 + Duration::from_secs(9), now + 100 * HOUR] {
        renewing.look(later).unwrap().unwrap();
        assert_ne!(read("certificate.pem"), last);
        last = read("certificate.pem");
    }
    assert_eq!(read("key.pem"), *pair.key);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn times_are_the_custodians_whatever_the_hosts_clock_says() {
    let (mut maker, _) = maker(HOUR);
    let issued = maker.issue().unwrap();
    let [start, end] = times(&der_of(&issued.certificate, "CERTIFICATE"));
    assert!((NOW - 300..NOW - 290).contains(&start), "{start}");
    assert!((NOW + 3600..NOW + 3610).contains(&end), "{end}");
}

#[test]
fn the_modes_are_those_of_the_specification_whatever_mask_the_shield_was_started_with() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Folder::new(fs::File::open(folder.path()).unwrap().into());
    for mask in [0o777, 0o077, 0] {
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
        opened.replace_certificate(b"certificate").unwrap();
        opened.place_key(b"key").unwrap();
        rustix::process::umask(before);
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("key.pem"), mode("certificate.pem")), (0o400, 0o444));
        fs::remove_file(folder.path().join("key.pem")).unwrap();
    }
}

#[test]
fn while_there_is_no_evidence_the_last_one_stays_and_it_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut renewing, pair, answers) = renewing(folder.path());
    let due = Duration::from_secs(NOW) + HOUR;
    *answers.lock().unwrap() = false;
    for _ in 0..2 {
        assert_eq!(renewing.look(due).unwrap().unwrap_err().exit, Exit::Platform);
    }
    assert_eq!(
        fs::read(folder.path().join("certificate.pem")).unwrap(),
        pair.certificate
    );
    *answers.lock().unwrap() = true;
    renewing.look(due).unwrap().unwrap();
}

#[test]
fn what_a_workload_puts_there_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let aim = tempfile::NamedTempFile::new().unwrap();
    let (mut renewing, ..) = renewing(folder.path());
    for name in [".certificate.pem", "certificate.pem"] {
        let place = folder.path().join(name);
        let _ = fs::remove_file(&place);
        std::os::unix::fs::symlink(aim.path(), &place).unwrap();
    }
    renewing.look(Duration::from_secs(NOW) + HOUR).unwrap().unwrap();
    assert_eq!(fs::read(aim.path()).unwrap(), b"");
    assert!(
        fs::symlink_metadata(folder.path().join("certificate.pem"))
            .unwrap()
            .is_file()
    );
    assert!(
        Folder::new(fs::File::open(folder.path()).unwrap().into())
            .place_key(b"x")
            .is_err()
    );
}
