//! Copies of a volume under another key: they equal their source, cost what changed, and survive a crash anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use casemate_volume::{Changes, CopyOf, Form, Freshness, New, ROOT, Rename, Roots, Time, Volume};
use proptest::prelude::*;
use support::copies::{FILE, Pair, everything, of, put, sound};
use support::disk::{Disk, moments};
use support::model::{Model, Operation, drive};
use support::operations::{Numbers, choose};
use support::{SMALL, Seeded};

/// Something of each kind that a volume holds.
fn of_all_kinds(volume: &mut Volume) {
    let directory = volume.mkdir(ROOT, b"d", FILE).unwrap().inode;
    let empty = volume.mkdir(directory, "späße".as_bytes(), FILE).unwrap().inode;
    volume.set_attribute(empty, b"user.a", &[7; 4096], None).unwrap();
    volume.symlink(directory, b"l", &[b'x'; 4095], FILE).unwrap();
    for (name, mode) in [
        (b"p", 0o010_600),
        (b"c", 0o020_640),
        (b"b", 0o060_660),
        (b"s", 0o140_755),
    ] {
        let device = 0x0102_0304_0506;
        volume.create_file(ROOT, name, New { mode, device, ..FILE }).unwrap();
    }
    put(volume, b"inline", 0, &[1; 2048]);
    let sparse = put(volume, b"sparse", 1 << 30, b"after a hole");
    volume.truncate(sparse, (1 << 31) + 17).unwrap();
    let large = put(
        volume,
        b"large",
        0,
        &(0..400_000u32).map(|byte| byte as u8).collect::<Vec<_>>(),
    );
    volume.link(large, directory, b"second").unwrap();
    volume.fsync(large).unwrap();
    put(volume, b"large", 70_000, &[9; 5000]);
    let times = Time {
        seconds: -5,
        nanoseconds: 999_999_999,
    };
    let changes = Changes {
        mode: Some(0o6711),
        uid: Some(u32::MAX - 1),
        accessed: Some(times),
        modified: Some(times),
        ..Changes::default()
    };
    volume.set_attributes(large, &changes).unwrap();
    // Open, without a name: no part of what is copied.
    let orphan = put(volume, b"orphan", 0, &[3; 30_000]);
    volume.set_attribute(orphan, b"user.gone", b"1", None).unwrap();
    volume.unlink(ROOT, b"orphan").unwrap();
}

#[test]
fn a_copy_has_everything_that_its_source_has() {
    for (roots, other) in [(Roots::Tag, Roots::Hash), (Roots::Hash, Roots::Tag)] {
        let mut pair = Pair::new(&Form { roots, ..SMALL }, &Form { roots: other, ..SMALL });
        let mut source = pair.source.mount(Freshness::Strict).unwrap();
        of_all_kinds(&mut source);
        // In the log only: no extent holds it yet.
        let logged = put(&mut source, b"logged", 5000, &[4; 9000]);
        source.fsync(logged).unwrap();
        drop(source);
        let copied = pair.copy(CopyOf::default()).unwrap();
        assert!(copied.bytes >= 400_000 && !copied.resumed && !copied.already);
        let mut source = pair.source.mount_for_reading(Freshness::Strict).unwrap();
        let mut target = pair.read();
        assert_eq!(everything(&mut target), everything(&mut source));
        assert_ne!(target.identity(), source.identity());
        let origin = target.origin().unwrap().unwrap();
        assert_eq!((origin.volume, origin.whole), (source.identity(), true));
        sound(&mut target);
        let mut target = pair.mount();
        sound(&mut target);
        assert_eq!(target.snapshots().unwrap(), []);
        // Files that are made in the copy get numbers of their own.
        let seen = everything(&mut target);
        let made = target.create_file(ROOT, b"new", FILE).unwrap().inode;
        assert!(seen.values().all(|seen| seen.attributes.inode != made));
        sound(&mut target);
    }
}

#[test]
fn a_copy_since_a_snapshot_has_what_changed_and_keeps_what_was() {
    let mut pair = Pair::new(&SMALL, &SMALL);
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    of_all_kinds(&mut source);
    source.create_snapshot(b"one").unwrap();
    let large = put(&mut source, b"large", 200_000, &[5; 10_000]);
    source.unlink(ROOT, b"sparse").unwrap();
    source
        .rename((ROOT, b"inline"), (ROOT, b"moved"), Rename::Replace)
        .unwrap();
    source.truncate(large, 300_000).unwrap();
    source.create_snapshot(b"two").unwrap();
    drop(source);
    pair.copy(of("one", None)).unwrap();
    let copied = pair.copy(of("two", Some("one"))).unwrap();
    assert!((8192..40_000).contains(&copied.bytes), "{copied:?}");
    for name in ["one", "two"] {
        let mut expected = pair.source.mount_for_reading(Freshness::Strict).unwrap();
        expected.show_snapshot(name.as_bytes()).unwrap();
        let mut target = pair.read();
        target.show_snapshot(name.as_bytes()).unwrap();
        assert_eq!(everything(&mut target), everything(&mut expected));
        sound(&mut target);
    }
    let again = pair.copy(of("two", Some("one"))).unwrap();
    assert!(again.already && again.bytes == 0);
    sound(&mut pair.mount());
}

/// Reads of the source follow from the change, not from the volume.
#[test]
fn a_copy_since_a_snapshot_reads_what_changed_only() {
    let form = Form {
        roots: Roots::Tag,
        capacity: 128 << 20,
        log: 4 << 20,
    };
    let mut pair = Pair::new(&form, &form);
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    for number in 0..3000u32 {
        put(
            &mut source,
            format!("file {number}").as_bytes(),
            0,
            &[number as u8; 9000],
        );
    }
    source.create_snapshot(b"one").unwrap();
    put(&mut source, b"file 1500", 4096, &[1; 4096]);
    source.create_snapshot(b"two").unwrap();
    drop(source);
    let (_, whole) = pair.copy_counting(of("one", None));
    let (copied, part) = pair.copy_counting(of("two", Some("one")));
    assert_eq!(copied.bytes, 4096);
    assert!(whole > 9000 && part < 120, "{whole} and {part} blocks were read");
    let mut target = pair.read();
    let file = target.lookup(ROOT, b"file 1500").unwrap().inode;
    let mut bytes = [0; 9000];
    target.read(file, 0, &mut bytes).unwrap();
    assert_eq!(bytes[4095..8193], [&[220], [1; 4096].as_slice(), &[220]].concat());
}

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

/// What operations follow from, and after which of them a copy is made.
fn numbers() -> impl Strategy<Value = Vec<(Numbers, bool)>> {
    let one = (any::<u8>(), any::<u64>(), any::<u64>(), any::<u64>());
    proptest::collection::vec((one, proptest::bool::weighted(0.1)), 1..150)
}

fn cases() -> ProptestConfig {
    let long = std::env::var_os("CASEMATE_LONG").is_some();
    ProptestConfig {
        cases: if long { 500 } else { 16 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn copies_follow_a_volume_whatever_happens_to_it(numbers in numbers(), hash: bool, stops in any::<u64>()) {
        let (mut model, mut stops) = (Model::default(), Seeded(stops));
        let other = Form { roots: if hash { Roots::Hash } else { Roots::Tag }, ..SMALL };
        let mut pair = Pair::new(&SMALL, &other);
        let mut volume = pair.source.mount(Freshness::Interval).unwrap();
        let mut last: Option<String> = None;
        for (number, (numbers, copies)) in numbers.iter().enumerate() {
            let operation = choose(*numbers, &model);
            if !matches!(operation, Operation::Snapshot(_) | Operation::DeleteSnapshot(_)) {
                prop_assert_eq!(drive(&mut volume, &operation), model.apply(&operation), "{:?}", operation);
            }
            if !copies {
                continue;
            }
            let name = format!("copied {number}");
            volume.create_snapshot(name.as_bytes()).unwrap();
            let what = of(&name, last.as_deref());
            // Stopped once somewhere, mostly.
            let _ = pair.copy_until(what, stops.next() % 60_000);
            pair.copy(what).unwrap();
            pair.is_same(name.as_bytes());
            if let Some(last) = last.replace(name.clone()) {
                volume.delete_snapshot(last.as_bytes()).unwrap();
            }
        }
    }
}
