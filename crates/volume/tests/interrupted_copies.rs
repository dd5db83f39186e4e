//! Copies that end before they are whole, for whatever reason: the same copy goes on, and nothing is missing then.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use casemate_volume::{CopyOf, Environment, Error, Form, Freshness, ROOT, Rename, Volume};
use support::copies::{Pair, of, of_all_kinds, put};
use support::disk::{Disk, moments};
use support::faults::{Answer, Call, Faulty, Flaky, Narrow};
use support::{SMALL, Seeded};

/// A source with two states that take several checkpoints to copy, and a copy of the first.
fn two_states() -> Pair {
    let mut pair = Pair::new(&SMALL, &SMALL);
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    of_all_kinds(&mut source);
    for file in 0..9 {
        put(&mut source, &[b'0' + file], 0, &[file; 90_000]);
    }
    source.create_snapshot(b"one").unwrap();
    for file in 0..9 {
        put(
            &mut source,
            &[b'0' + file],
            20_000 * u64::from(file % 3),
            &[b'a' + file; 70_000],
        );
    }
    source.unlink(ROOT, b"sparse").unwrap();
    source.rename((ROOT, b"4"), (ROOT, b"5"), Rename::Replace).unwrap();
    source.create_snapshot(b"two").unwrap();
    drop(source);
    pair.copy(of("one", None)).unwrap();
    pair
}

/// The power goes at any moment of a copy: what is found is a whole state or refused, and the same copy ends it.
#[test]
fn a_copy_goes_on_after_a_crash_anywhere() {
    for increment in [false, true] {
        let mut pair = two_states();
        let what = match increment {
            true => of("two", Some("one")),
            false => {
                pair.new_target();
                of("two", None)
            }
        };
        pair.target.disk.take_events();
        let (start, record) = (pair.target.disk.files(), pair.target.anchor.record());
        pair.copy(what).unwrap();
        let events = pair.target.disk.take_events();
        let (mut random, mut points) = (Seeded(5), 0);
        moments(&start, record, true, &events, |moment| {
            moment.disks(3, 2, &mut || random.next(), |files| {
                for record in &moment.records {
                    points += 1;
                    pair.crashed(Disk::of(files.clone()), *record);
                    let whole = pair.read().check_finished().is_ok();
                    let copied = pair.copy(what).unwrap();
                    assert_eq!(copied.resumed, !whole);
                    pair.is_same(b"two");
                }
            });
        });
        println!("{points} crash points");
        assert!(points > 60, "only {points} crash points");
    }
}

/// Runs a copy in which something happens when somebody hears of its progress for the `at`th time; whether it did.
fn happens(
    (target, source): (&mut Volume, &mut Volume),
    what: CopyOf<'_>,
    at: u32,
    mut something: impl FnMut(),
) -> (Result<(), Error>, bool) {
    let mut heard = 0;
    let outcome = target.copy(source, what, &mut |_, _| {
        heard += 1;
        if heard == at {
            something();
        }
        ControlFlow::Continue(())
    });
    (outcome.map(drop), heard >= at)
}

/// Calls of a host that fail when they are told to.
fn faulty(disk: &Disk, call: Call) -> (Faulty, impl Fn() + use<>) {
    let failures = Arc::new(AtomicU32::new(0));
    let fail = {
        let failures = Arc::clone(&failures);
        move || failures.store(1, Ordering::SeqCst)
    };
    let disk = disk.clone();
    (Faulty { disk, call, failures }, fail)
}

/// What was read and not sealed yet is sent again.
#[test]
fn a_copy_goes_on_after_a_failed_read_of_its_source() {
    let mut pair = two_states();
    let mut failed = 0;
    for at in 1.. {
        pair.new_target();
        let (host, fail) = faulty(&pair.source.disk, Call::Read);
        let mut source = pair.source_on(Box::new(host));
        let mut target = pair.target.mount_for_copy().unwrap();
        let (outcome, happened) = happens((&mut target, &mut source), of("two", None), at, fail);
        if !happened {
            break;
        }
        drop(target);
        failed += u32::from(outcome.is_err());
        ends(&mut pair, outcome, of("two", None));
    }
    assert!(failed > 5, "{failed} failures");
}

/// What its host refused once is not believed again.
#[test]
fn a_copy_goes_on_after_a_failure_of_its_targets_host() {
    let mut pair = two_states();
    let (files, record) = (pair.target.disk.files(), pair.target.anchor.record());
    let what = of("two", Some("one"));
    for call in [Call::Write, Call::Flush] {
        let mut failed = 0;
        for at in 1.. {
            pair.crashed(Disk::of(files.clone()), record);
            let (host, fail) = faulty(&pair.target.disk, call);
            let mut target = pair.target_in(|machine| Environment {
                host: Box::new(host),
                ..machine.environment()
            });
            let mut source = pair.source.mount_for_reading(Freshness::Strict).unwrap();
            let (outcome, happened) = happens((&mut target, &mut source), what, at, fail);
            if !happened {
                break;
            }
            drop(target);
            failed += u32::from(outcome.is_err());
            ends(&mut pair, outcome, what);
        }
        assert!(failed > 2, "{failed} failures of {call:?}");
    }
}

/// The same copy ends what the host interrupted.
fn ends(pair: &mut Pair, outcome: Result<(), Error>, what: CopyOf<'_>) {
    if let Err(error) = outcome {
        assert!(matches!(error, Error::Host(_)), "{error}");
        assert!(pair.copy(what).unwrap().resumed);
    }
    pair.is_same(b"two");
}

#[test]
fn a_copy_goes_on_after_its_anchor_was_away() {
    let mut pair = two_states();
    let mut failed = 0;
    for at in 1.. {
        pair.new_target();
        let flaky = Flaky {
            memory: pair.target.anchor.clone(),
            answer: Arc::default(),
        };
        let mut target = pair.target_in(|machine| machine.with(Box::new(flaky.clone())));
        let mut source = pair.source.mount_for_reading(Freshness::Strict).unwrap();
        let away = || flaky.set(Answer::Away);
        let (outcome, happened) = happens((&mut target, &mut source), of("two", None), at, away);
        if !happened {
            break;
        }
        drop(target);
        assert!(matches!(outcome, Err(Error::Anchor(_))), "{outcome:?}");
        assert!(pair.copy(of("two", None)).unwrap().resumed);
        pair.is_same(b"two");
        failed += 1;
    }
    assert!(failed > 5, "{failed} failures");
}

/// A host that is full, and then is not any more.
#[test]
fn a_copy_goes_on_when_the_host_has_room_again() {
    let form = Form {
        capacity: 96 << 20,
        log: 1 << 20,
        ..SMALL
    };
    let mut pair = Pair::new(&form, &form);
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    for file in 0..10 {
        put(&mut source, &[b'0' + file], 0, &vec![file; 5 << 20]);
    }
    source.create_snapshot(b"one").unwrap();
    drop(source);
    let mut source = pair.source.mount_for_reading(Freshness::Strict).unwrap();
    for room in [20 << 20, 40 << 20] {
        let mut target = pair.target_in(|machine| {
            let disk = machine.disk.clone();
            Environment {
                host: Box::new(Narrow { disk, room }),
                ..machine.environment()
            }
        });
        let (outcome, _) = happens((&mut target, &mut source), of("one", None), 0, || {});
        assert!(matches!(outcome, Err(Error::NoSpace)), "{outcome:?}");
    }
    let rest = pair.copy(of("one", None)).unwrap();
    assert!(rest.resumed && rest.bytes < 30 << 20, "{rest:?}");
    pair.is_same(b"one");
}
