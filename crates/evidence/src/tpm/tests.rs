use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// Answers in turn, and keeps the codes of the commands that it got.
#[derive(Clone, Debug, Default)]
struct Recorded {
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
    commands: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorded {
    fn of(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let recorded = Self::default();
        recorded.answers.lock().unwrap().extend(answers);
        recorded
    }

    fn platform(&self) -> TpmPlatform {
        TpmPlatform::over(Box::new(self.clone()), Key::Usual)
    }

    fn codes(&self) -> Vec<u32> {
        let commands = self.commands.lock().unwrap();
        let code = |command: &Vec<u8>| u32::from_be_bytes(command[6..10].try_into().unwrap());
        commands.iter().map(code).collect()
    }
}

impl Transport for Recorded {
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        self.commands.lock().unwrap().push(command.to_vec());
        self.answers
            .lock()
            .unwrap()
            .pop_front()
            .ok_or_else(|| Error::Refused("no more answers".to_owned()))
    }
}

/// An answer to a command, with or without a session.
fn answer(code: u32, handles: &[u32], parameters: &[u8], with_session: bool) -> Vec<u8> {
    let mut body = handles.iter().fold(Writer::default(), |body, handle| body.u32(*handle));
    if with_session {
        body = body.u32(parameters.len() as u32);
    }
    body = body.bytes(parameters);
    if with_session {
        body = body.bytes(&[0, 0, 1, 0, 0]);
    }
    let tag = if with_session { 0x8002 } else { 0x8001 };
    Writer::default()
        .u16(tag)
        .u32(10 + body.0.len() as u32)
        .u32(code)
        .bytes(&body.0)
        .0
}

fn banks(which: &[u16]) -> Vec<u8> {
    let head = Writer::default().u8(0).u32(5).u32(which.len() as u32);
    let all = which
        .iter()
        .fold(head, |list, bank| list.u16(*bank).u8(3).bytes(&[0xFF; 3]));
    answer(0, &[], &all.0, false)
}

fn pcrs(range: std::ops::Range<u32>, value: [u8; 32]) -> Vec<u8> {
    let count = range.end - range.start;
    let head = Writer::default().u32(1).bytes(&selection(SHA256, range)).u32(count);
    answer(0, &[], &(0..count).fold(head, |list, _| list.sized(&value)).0, false)
}

fn register(value: [u8; 32]) -> Vec<u8> {
    pcrs(MANIFEST_PCR..MANIFEST_PCR + 1, value)
}

fn done() -> Vec<u8> {
    answer(0, &[], &[], true)
}

const MANIFEST: [u8; 32] = [7; 32];

#[test]
fn a_manifest_is_extended_into_all_active_banks_and_capped() {
    let recorded = Recorded::of([
        banks(&[4, 0xB, 0xC, 0x7777]),
        register([0; 32]),
        done(),
        done(),
        register(manifest_pcr(&MANIFEST)),
    ]);
    recorded.platform().bind(&MANIFEST).unwrap();
    assert_eq!(recorded.codes(), [0x17A, 0x17E, 0x182, 0x182, 0x17E]);
    let extended = &recorded.commands.lock().unwrap()[2];
    let list = Writer::default().u32(3).u16(4).bytes(&[7; 20]).u16(0xB).bytes(&[7; 32]);
    let list = list.u16(0xC).bytes(&[7; 32]).bytes(&[0; 16]).0;
    assert!(extended.ends_with(&list));
}

#[test]
fn a_register_that_was_extended_takes_no_manifest() {
    for before in [[1; 32], manifest_pcr(&MANIFEST)] {
        let recorded = Recorded::of([banks(&[0xB]), register(before)]);
        assert!(matches!(recorded.platform().bind(&MANIFEST), Err(Error::Bound(_))));
        assert_eq!(recorded.codes().len(), 2, "nothing is extended");
    }
}

#[test]
fn what_is_extended_at_the_same_time_is_noticed() {
    let recorded = Recorded::of([banks(&[0xB]), register([0; 32]), done(), done(), register([3; 32])]);
    assert!(matches!(recorded.platform().bind(&MANIFEST), Err(Error::Bound(_))));
}

#[test]
fn a_tpm_without_the_bank_that_counts_is_refused() {
    let recorded = Recorded::of([banks(&[4])]);
    assert!(matches!(recorded.platform().bind(&MANIFEST), Err(Error::Missing(_))));
}

fn quote_over(qualifying: &[u8], values: &[[u8; 32]]) -> Vec<u8> {
    let head = Writer::default()
        .u32(0xFF54_4347)
        .u16(0x8018)
        .sized(&[])
        .sized(qualifying);
    let attest = head.bytes(&[0; 25]).bytes(&selection(SHA256, 0..QUOTED));
    let attest = attest.sized(&Sha256::digest(values.concat())).0;
    answer(0, &[], &Writer::default().sized(&attest).bytes(b"signature").0, true)
}

/// No key of Google's, and a key of our own.
fn own_key() -> [Vec<u8>; 2] {
    let public = Writer::default().sized(b"public").bytes(b"creation data");
    [
        answer(0x18B, &[], &[], false),
        answer(0, &[0x8000_0000], &public.0, true),
    ]
}

#[test]
fn a_quote_is_asked_for_again_when_a_register_changed_meanwhile() {
    let qualifying = Sha256::digest([9; 64]);
    let values = [[2; 32]; 16];
    let read = [pcrs(0..8, [2; 32]), pcrs(8..16, [2; 32])];
    let stale = quote_over(&qualifying, &[[1; 32]; 16]);
    let mut answers = own_key().to_vec();
    answers.extend(read.clone());
    answers.push(stale.clone());
    answers.extend(read.clone());
    answers.push(quote_over(&qualifying, &values));
    answers.push(answer(0, &[], &[], false));
    let recorded = Recorded::of(answers);
    let evidence = recorded.platform().evidence(&[9; 64]).unwrap();
    assert_eq!(evidence.format, Format::Tpm);
    let behind = Writer::default()
        .bytes(b"signature")
        .sized(b"public")
        .bytes(&values.concat())
        .0;
    assert!(evidence.report.ends_with(&behind));
    assert_eq!(recorded.codes().last(), Some(&0x165), "the key is given up");
    assert!(evidence.certificates.is_empty() && evidence.log.is_none());

    let mut answers = own_key().to_vec();
    for _ in 0..TRIES {
        answers.extend(read.clone());
        answers.push(stale.clone());
    }
    answers.push(answer(0, &[], &[], false));
    let recorded = Recorded::of(answers);
    assert!(matches!(
        recorded.platform().evidence(&[9; 64]),
        Err(Error::Disturbed(_))
    ));
    assert_eq!(
        recorded.codes().last(),
        Some(&0x165),
        "the key is given up all the same"
    );
}

/// What is at an NV index, as its two commands answer.
fn nv(content: &[u8]) -> [Vec<u8>; 2] {
    let head = Writer::default().u32(1).u16(SHA256).u32(0).sized(&[]);
    let public = head.u16(content.len() as u16).0;
    let described = answer(0, &[], &Writer::default().sized(&public).sized(b"name").0, false);
    [described, answer(0, &[], &Writer::default().sized(content).0, true)]
}

/// A certificate of the key whose number this is, with what fills its index up.
fn filled_up(number: u8) -> (Vec<u8>, Vec<u8>) {
    let certificate = [&[0x30, 0x82, 1, 0][..], &[number; 256]].concat();
    let filled = [&certificate[..], &[0; 99]].concat();
    (certificate, filled)
}

/// Up to the quote by Google's key: its template, which the owner may not read, the key, registers, the quote.
fn quoted_by_googles() -> Vec<Vec<u8>> {
    let public = Writer::default().u16(0x23).u16(SHA256).u32(0).sized(&[]);
    let public = public.u16(0x10).u16(0x18).u16(SHA256).u16(3).u16(0x10);
    let public = public.sized(&[7; 32]).sized(&[8; 32]).0;
    let mut answers = nv(b"template").to_vec();
    answers.insert(1, answer(0x98E, &[], &[], false));
    answers.push(answer(0, &[0x8000_0000], &Writer::default().sized(&public).0, true));
    answers.extend([pcrs(0..8, [2; 32]), pcrs(8..16, [2; 32])]);
    answers.push(quote_over(&Sha256::digest([9; 64]), &[[2; 32]; 16]));
    answers
}

#[test]
fn the_certificate_of_the_key_comes_along_where_it_is_asked_for() {
    let (certificate, filled) = filled_up(7);
    // First one of another key.
    let answers = [quoted_by_googles(), nv(&filled_up(8).1).to_vec(), nv(&filled).to_vec()].concat();
    let recorded = Recorded::of(answers);
    let evidence = recorded.platform().with_certificate().evidence(&[9; 64]).unwrap();
    let made = &recorded.commands.lock().unwrap()[3];
    assert!(made.windows(10).any(|part| part == b"\x00\x08template"));
    let text = String::from_utf8(evidence.certificates).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        (lines[0], lines[lines.len() - 1]),
        ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    );
    assert_eq!(
        STANDARD.decode(lines[1..lines.len() - 1].concat()).unwrap(),
        certificate
    );
    assert!(lines.iter().all(|line| line.len() <= 64));
}

#[test]
fn no_certificate_is_looked_for_that_nobody_asked_for() {
    let recorded = Recorded::of(quoted_by_googles());
    let evidence = recorded.platform().evidence(&[9; 64]).unwrap();
    assert!(evidence.certificates.is_empty());
}

#[test]
fn the_register_in_the_evidence_says_what_was_bound() {
    let platform = Recorded::of([]).platform();
    let of = |register: &[u8]| Evidence::of(Format::Tpm, [&b"the rest"[..], register].concat());
    let ours = of(&manifest_pcr(&MANIFEST));
    assert_eq!(platform.binding(&ours, &MANIFEST).unwrap(), Binding::This);
    assert!(matches!(
        platform.binding(&ours, &[8; 32]).unwrap(),
        Binding::Another(_)
    ));
    assert!(matches!(
        platform.binding(&of(&[0; 32]), &MANIFEST).unwrap(),
        Binding::Another(_)
    ));
    assert!(
        platform
            .binding(&Evidence::of(Format::Tpm, vec![0; 31]), &MANIFEST)
            .is_err()
    );
}

#[test]
fn there_are_no_sealing_keys() {
    assert!(matches!(
        Recorded::of([]).platform().derive_key(b"any"),
        Err(Error::Missing(_))
    ));
}

#[test]
fn a_tpm_that_has_no_time_is_asked_again() {
    let busy = answer(0x922, &[], &[], false);
    let recorded = Recorded::of([busy.clone(), busy, banks(&[4])]);
    assert!(matches!(recorded.platform().bind(&MANIFEST), Err(Error::Missing(_))));
    assert_eq!(recorded.codes(), [0x17A; 3]);
}

#[test]
fn answers_that_lie_about_their_size_are_errors() {
    let mut long = banks(&[0xB]);
    long.push(0);
    for bytes in [long, vec![0x80, 1, 0, 0, 0, 9], Vec::new()] {
        assert!(matches!(
            Recorded::of([bytes]).platform().bind(&MANIFEST),
            Err(Error::Malformed(_))
        ));
    }
    let mut extended = done();
    extended.push(0);
    let recorded = Recorded::of([banks(&[0xB]), register([0; 32]), extended]);
    assert!(matches!(recorded.platform().bind(&MANIFEST), Err(Error::Malformed(_))));
    // The other register of two, values of another size, more banks than there are.
    let others = [
        pcrs(14..15, [0; 32]),
        answer(
            0,
            &[],
            &Writer::default()
                .u32(1)
                .bytes(&selection(SHA256, 15..16))
                .u32(1)
                .sized(&[0; 20])
                .0,
            false,
        ),
    ];
    for other in others {
        assert!(matches!(
            Recorded::of([banks(&[0xB]), other]).platform().bind(&MANIFEST),
            Err(Error::Malformed(_))
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_answers_are_evidence_or_an_error(
        parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..6),
        persistent: bool,
    ) {
        let framed = parts.iter().map(|(session, part)| answer(0, &[], part, *session));
        let key = if persistent { Key::Persistent(0x8100_0003) } else { Key::Usual };
        let over = |recorded: Recorded| TpmPlatform::over(Box::new(recorded), key).with_certificate();
        let _ = over(Recorded::of(framed.clone())).evidence(&[0; 64]);
        let _ = over(Recorded::of(framed)).bind(&MANIFEST);
        let _ = over(Recorded::of(parts.into_iter().map(|(_, part)| part))).evidence(&[0; 64]);
    }
}
