//! Copies that are refused, because they would mix two states or overwrite what somebody needs; and what is to be seen
//! of a copy that was not finished.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::ops::ControlFlow;

use casemate_volume::{Copied, CopyOf, Error, Form, Freshness, ROOT};
use support::SMALL;
use support::copies::{Pair, copied, everything, of, put, sound};
use support::disk::Disk;

fn refusal(outcome: Result<Copied, Error>) -> String {
    match outcome {
        Err(Error::NotCopied(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn go_on(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_volume_is_not_copied_into_itself() {
    let mut pair = copied();
    let mut source = pair.source.mount_for_reading(Freshness::Strict).unwrap();
    let mut target = pair.source.mount(Freshness::Strict).unwrap();
    let why = refusal(target.copy(&mut source, CopyOf::default(), &mut go_on));
    assert!(why.starts_with("source and target are one volume"), "{why}");
}

#[test]
fn a_target_with_files_of_its_own_is_refused() {
    let mut pair = Pair::new(&SMALL, &SMALL);
    put(&mut pair.mount(), b"own", 0, b"1");
    let mut target = pair.mount();
    put(&mut target, b"own", 0, b"1");
    target.unmount().unwrap();
    let why = refusal(pair.copy(CopyOf::default()));
    assert!(why.starts_with("the target has files of its own"), "{why}");
    assert_eq!(everything(&mut pair.read()).len(), 2);
}

#[test]
fn a_target_that_is_no_copy_gets_no_increment() {
    let mut pair = copied();
    pair.new_target();
    let why = refusal(pair.copy(of("two", Some("one"))));
    assert!(why.starts_with("the target is no copy yet"), "{why}");
}

#[test]
fn another_volume_than_the_one_copied_is_refused() {
    let (mut pair, mut other) = (copied(), copied());
    other.source.seed = 77;
    other.source.disk = Disk::default();
    other.source.anchor = Default::default();
    other.source.create(&SMALL).unwrap();
    other
        .source
        .mount(Freshness::Strict)
        .unwrap()
        .create_snapshot(b"one")
        .unwrap();
    pair.source = other.source;
    let why = refusal(pair.copy(of("one", None)));
    assert!(why.starts_with("the target is a copy of another volume"), "{why}");
}

#[test]
fn snapshots_that_the_source_has_not_are_refused() {
    let mut pair = copied();
    for what in [of("none", None), of("two", Some("none"))] {
        let why = refusal(pair.copy(what));
        assert_eq!(why, "the source has no snapshot none");
    }
}

#[test]
fn a_whole_copy_is_not_replaced() {
    let mut pair = copied();
    let why = refusal(pair.copy(of("two", None)));
    assert!(why.contains("already: say since which snapshot"), "{why}");
}

#[test]
fn an_increment_on_another_snapshot_than_the_copied_one_is_refused() {
    let mut pair = copied();
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    source.create_snapshot(b"three").unwrap();
    drop(source);
    let why = refusal(pair.copy(of("three", Some("two"))));
    assert!(why.contains("name the snapshot that it is a copy of"), "{why}");
}

/// One of the same name, made anew, is another.
#[test]
fn a_snapshot_that_was_made_anew_is_another() {
    let mut pair = copied();
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    source.delete_snapshot(b"one").unwrap();
    source.create_snapshot(b"one").unwrap();
    drop(source);
    let why = refusal(pair.copy(of("two", Some("one"))));
    assert!(why.contains("name the snapshot that it is a copy of"), "{why}");
}

#[test]
fn a_copy_that_was_written_to_gets_no_increment() {
    let mut pair = copied();
    let mut target = pair.mount();
    let file = put(&mut target, b"f", 3, b"mine");
    target.fsync(file).unwrap();
    drop(target);
    // In the log only, and in a checkpoint.
    for _ in 0..2 {
        for what in [of("two", Some("one")), of("one", None)] {
            let why = refusal(pair.copy(what));
            assert!(why.contains("was changed since"), "{why}");
        }
        pair.mount().unmount().unwrap();
    }
}

#[test]
fn a_copy_whose_snapshot_was_deleted_gets_no_increment() {
    let mut pair = copied();
    let mut target = pair.mount();
    target.delete_snapshot(b"one").unwrap();
    target.unmount().unwrap();
    let why = refusal(pair.copy(of("two", Some("one"))));
    assert!(why.contains("its snapshot of that state was deleted"), "{why}");
}

#[test]
fn mounts_and_snapshots_of_a_copy_do_no_harm() {
    let mut pair = copied();
    let mut target = pair.mount();
    target.create_snapshot(b"mine").unwrap();
    target.delete_snapshot(b"mine").unwrap();
    target.create_snapshot(b"kept").unwrap();
    target.unmount().unwrap();
    pair.copy(of("two", Some("one"))).unwrap();
    let mut target = pair.mount();
    assert_eq!(target.snapshots().unwrap().len(), 3);
    sound(&mut target);
}

#[test]
fn a_snapshot_of_the_target_is_not_replaced() {
    let mut pair = copied();
    let mut target = pair.mount();
    target.create_snapshot(b"two").unwrap();
    target.unmount().unwrap();
    let why = refusal(pair.copy(of("two", Some("one"))));
    assert!(why.starts_with("the target has a snapshot two already"), "{why}");
}

/// What overwrites left half used is not tidied up in the middle of a copy.
#[test]
fn increments_that_fill_a_target_are_refused_and_stay_resumable() {
    let mut pair = Pair::new(
        &Form {
            capacity: 64 << 20,
            ..SMALL
        },
        &SMALL,
    );
    let mut last: Option<String> = None;
    let full = (0..200u64).find_map(|round| {
        let mut source = pair.source.mount(Freshness::Strict).unwrap();
        for block in 0..20 {
            put(
                &mut source,
                b"f",
                (round * 5 + block * 7) % 150 * 4096,
                &[round as u8; 4096],
            );
        }
        let name = format!("round {round}");
        source.create_snapshot(name.as_bytes()).unwrap();
        drop(source);
        let outcome = pair.copy(of(&name, last.as_deref()));
        last = Some(name);
        outcome.err()
    });
    assert!(matches!(full, Some(Error::NoSpace)), "{full:?}");
    assert!(matches!(pair.target.mount(Freshness::Strict), Err(Error::Unfinished)));
}

/// Stopped half way: what is there is neither one state nor the other, and nobody sees it.
#[test]
fn an_unfinished_copy_shows_nothing_but_its_snapshots() {
    let mut pair = copied();
    assert!(refusal(pair.copy_until(of("two", Some("one")), 1)).starts_with("it was stopped"));
    let refused = pair.target.mount(Freshness::Strict).unwrap_err();
    assert!(matches!(refused, Error::Unfinished), "{refused}");
    let mut target = pair.read();
    let refused = |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::Unfinished)), "{outcome:?}");
    refused(target.check_finished());
    refused(target.attributes(ROOT).map(drop));
    refused(target.lookup(ROOT, b"f").map(drop));
    refused(target.readdir(ROOT, 0, 9).map(drop));
    refused(target.read(ROOT + 1, 0, &mut [0; 9]).map(drop));
    refused(target.attribute_names(ROOT).map(drop));
    refused(target.check().map(drop));
    refused(target.verify());
    assert!(!target.origin().unwrap().unwrap().whole);
    let mut writer = pair.target.mount_for_copy().unwrap();
    refused(writer.create_snapshot(b"mixture").map(drop));
    target.show_snapshot(b"one").unwrap();
    sound(&mut target);
    let mut expected = pair.source.mount_for_reading(Freshness::Strict).unwrap();
    expected.show_snapshot(b"one").unwrap();
    assert_eq!(everything(&mut target), everything(&mut expected));
}

#[test]
fn an_unfinished_copy_is_finished_by_the_same_copy_only() {
    let mut pair = copied();
    refusal(pair.copy_until(of("two", Some("one")), 1));
    for other in [of("one", None), of("two", None), CopyOf::default()] {
        let why = refusal(pair.copy(other));
        assert!(
            why.contains("unfinished copy of the source's snapshot two: run that copy again"),
            "{why}"
        );
    }
    assert!(pair.copy(of("two", Some("one"))).unwrap().resumed);
    pair.is_same(b"two");
}

/// What is not a snapshot may be gone when the copy goes on.
#[test]
fn the_rest_of_a_state_that_is_gone_is_refused() {
    let mut pair = copied();
    pair.new_target();
    refusal(pair.copy_until(CopyOf::default(), 1));
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    put(&mut source, b"g", 0, b"1");
    source.unmount().unwrap();
    let why = refusal(pair.copy(CopyOf::default()));
    assert!(
        why.contains("or, where the source has this no more, name a new target"),
        "{why}"
    );
}

#[test]
fn a_source_that_is_overwritten_meanwhile_is_noticed() {
    let mut pair = copied();
    pair.new_target();
    let mut reader = pair.source.mount_for_reading(Freshness::Strict).unwrap();
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    source.delete_snapshot(b"one").unwrap();
    source.delete_snapshot(b"two").unwrap();
    for round in 0..60 {
        put(&mut source, b"f", 0, &[round; 100_000]);
        source.sync().unwrap();
    }
    let mut target = pair.target.mount_for_copy().unwrap();
    let why = refusal(target.copy(&mut reader, CopyOf::default(), &mut go_on));
    assert!(why.starts_with("the source was changed meanwhile"), "{why}");
}

/// A target that is full keeps what it has, and says so.
#[test]
fn a_target_without_room_is_refused_and_stays_resumable() {
    let mut pair = copied();
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    put(&mut source, b"large", 0, &[1; 200_000]);
    source.create_snapshot(b"large").unwrap();
    source.unmount().unwrap();
    pair.new_target_of(&Form {
        capacity: 256 << 10,
        log: 256 << 10,
        ..SMALL
    });
    for _ in 0..2 {
        let refused = pair.copy(of("large", None)).unwrap_err();
        assert!(matches!(refused, Error::NoSpace), "{refused}");
        assert!(matches!(pair.target.mount(Freshness::Strict), Err(Error::Unfinished)));
    }
}

#[test]
fn an_unfinished_copy_is_no_source() {
    let mut pair = copied();
    refusal(pair.copy_until(of("two", Some("one")), 1));
    let mut unfinished = pair.read();
    pair.new_target();
    let mut target = pair.target.mount_for_copy().unwrap();
    let refused = target.copy(&mut unfinished, CopyOf::default(), &mut go_on).unwrap_err();
    assert!(matches!(refused, Error::Unfinished), "{refused}");
    target.copy(&mut unfinished, of("one", None), &mut go_on).unwrap();
    pair.is_same(b"one");
}

/// What a snapshot shows is copied with the mount of the whole.
#[test]
fn a_mount_that_shows_a_snapshot_is_no_source() {
    let mut pair = copied();
    pair.new_target();
    let mut shown = pair.source.mount_for_reading(Freshness::Strict).unwrap();
    shown.show_snapshot(b"one").unwrap();
    let mut target = pair.target.mount_for_copy().unwrap();
    let refused = target.copy(&mut shown, CopyOf::default(), &mut go_on).unwrap_err();
    assert!(matches!(refused, Error::Invalid), "{refused}");
}
