//! Copies of a volume under another key: they equal their source, cost what changed, and follow it whatever happens.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use casemate_volume::{CopyOf, Form, Freshness, ROOT, Rename, Roots};
use proptest::prelude::*;
use support::copies::{FILE, Pair, everything, of, of_all_kinds, put, sound};
use support::model::{Model, Operation, drive};
use support::operations::{Numbers, choose};
use support::{SMALL, Seeded};

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

/// Removed while somebody has it open: it is still there, and no part of the copy any more.
#[test]
fn what_lost_its_name_since_goes_from_the_copy_with_all_that_it_had() {
    let mut pair = Pair::new(&SMALL, &SMALL);
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    let directory = source.mkdir(ROOT, b"d", FILE).unwrap().inode;
    source.create_file(directory, b"inside", FILE).unwrap();
    let file = put(&mut source, b"f", 0, &[1; 50_000]);
    for inode in [directory, file] {
        source.set_attribute(inode, b"user.a", b"1", None).unwrap();
    }
    source.create_snapshot(b"one").unwrap();
    source
        .rename((directory, b"inside"), (ROOT, b"outside"), Rename::Replace)
        .unwrap();
    source.rmdir(ROOT, b"d").unwrap();
    source.unlink(ROOT, b"f").unwrap();
    source.set_attribute(file, b"user.b", b"2", None).unwrap();
    source.write(file, 0, &[2; 60_000]).unwrap();
    source.create_snapshot(b"two").unwrap();
    drop(source);
    pair.copy(of("one", None)).unwrap();
    pair.copy(of("two", Some("one"))).unwrap();
    pair.is_same(b"two");
    assert_eq!(everything(&mut pair.read()).len(), 2);
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
    assert!(whole > 9000 && part <= 40, "{whole} and {part} blocks were read");
    let mut target = pair.read();
    let file = target.lookup(ROOT, b"file 1500").unwrap().inode;
    let mut bytes = [0; 9000];
    target.read(file, 0, &mut bytes).unwrap();
    assert_eq!(bytes[4095..8193], [&[220], [1; 4096].as_slice(), &[220]].concat());
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
