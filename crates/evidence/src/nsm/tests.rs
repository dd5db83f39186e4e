use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// Answers in turn, and keeps what it was asked.
#[derive(Clone, Debug, Default)]
struct Recorded {
    answers: Arc<Mutex<VecDeque<Vec<u8>>>>,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorded {
    fn of(answers: &[Vec<u8>]) -> Self {
        let recorded = Self::default();
        recorded.answers.lock().unwrap().extend(answers.iter().cloned());
        recorded
    }

    fn platform(&self) -> NitroPlatform {
        NitroPlatform::over(Box::new(self.clone()))
    }
}

impl Module for Recorded {
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Error> {
        self.asked.lock().unwrap().push(request.to_vec());
        self.answers
            .lock()
            .unwrap()
            .pop_front()
            .ok_or_else(|| Error::Refused("no more answers".to_owned()))
    }
}

fn described(locked: bool, data: &[u8]) -> Vec<u8> {
    let lock = vec![if locked { 0xF5 } else { 0xF4 }];
    request("DescribePCR", &[("lock", lock), ("data", item::bytes(data))])
}

fn extended(manifest: &[u8; 32]) -> Vec<u8> {
    request("ExtendPCR", &[("data", item::bytes(&manifest_pcr(manifest)))])
}

fn attested(document: &[u8]) -> Vec<u8> {
    request("Attestation", &[("document", item::bytes(document))])
}

#[test]
fn a_manifest_is_extended_locked_and_known_from_then_on() {
    let manifest = [7; 32];
    let recorded = Recorded::of(&[
        described(false, &ZERO),
        extended(&manifest),
        item::text("LockPCR"),
        described(true, &manifest_pcr(&manifest)),
        attested(b"document"),
    ]);
    let mut platform = recorded.platform();
    platform.bind(&manifest).unwrap();
    let evidence = platform.evidence(&[9; 64]).unwrap();
    assert_eq!(evidence, Evidence::of(Format::Nitro, b"document".to_vec()));
    assert_eq!(platform.binding(&evidence, &manifest).unwrap(), Binding::This);
    assert!(matches!(
        platform.binding(&evidence, &[8; 32]).unwrap(),
        Binding::Another(_)
    ));
    let asked = recorded.asked.lock().unwrap();
    let index = || ("index", item::number(16));
    assert_eq!(
        asked[1],
        request("ExtendPCR", &[index(), ("data", item::bytes(&manifest))])
    );
    assert_eq!(asked[2], request("LockPCR", &[index()]));
    let data = ("user_data", item::bytes(&[9; 64]));
    let fields = [data, ("nonce", item::null()), ("public_key", item::null())];
    assert_eq!(asked[4], request("Attestation", &fields));
}

#[test]
fn a_register_that_was_used_takes_no_manifest() {
    for before in [described(true, &ZERO), described(false, &[1; 48])] {
        let recorded = Recorded::of(&[before]);
        assert!(matches!(recorded.platform().bind(&[7; 32]), Err(Error::Bound(_))));
        assert_eq!(recorded.asked.lock().unwrap().len(), 1);
    }
}

#[test]
fn a_register_that_is_not_locked_or_another_is_noticed() {
    let manifest = [7; 32];
    for after in [described(false, &manifest_pcr(&manifest)), described(true, &[1; 48])] {
        let first = [described(false, &ZERO), extended(&manifest), item::text("LockPCR")];
        let recorded = Recorded::of(&[&first[..], &[after]].concat());
        assert!(matches!(recorded.platform().bind(&manifest), Err(Error::Bound(_))));
    }
}

#[test]
fn nothing_is_bound_before_it_was() {
    let platform = Recorded::default().platform();
    let evidence = Evidence::of(Format::Nitro, Vec::new());
    assert!(matches!(
        platform.binding(&evidence, &[7; 32]).unwrap(),
        Binding::Another(_)
    ));
}

#[test]
fn refusals_and_other_answers_are_errors() {
    let refused = [&[0xA1][..], &item::text("Error"), &item::text("Invalid\nArgument")].concat();
    let error = Recorded::of(&[refused]).platform().evidence(&[0; 64]).unwrap_err();
    assert!(matches!(&error, Error::Refused(why) if why == "Attestation: Invalid Argument"));
    for other in [
        item::text("LockPCR"),
        described(true, &ZERO),
        item::null(),
        request("Attestation", &[]),
        vec![0xFF],
        Vec::new(),
    ] {
        let error = Recorded::of(&[other]).platform().evidence(&[0; 64]).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)));
    }
    let error = Recorded::of(&[described(false, &[0; 47])]).platform().bind(&[0; 32]);
    assert!(matches!(error, Err(Error::Malformed(_))));
}

proptest! {
    #[test]
    fn any_answer_is_a_document_or_an_error(answer in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Recorded::of(std::slice::from_ref(&answer)).platform().evidence(&[0; 64]);
        let _ = Recorded::of(&[answer]).platform().bind(&[0; 32]);
    }
}
