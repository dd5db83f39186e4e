//! Random operations do to a volume what they do to a simple model, over mounts and losses of memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::collections::BTreeSet;

use casemate_volume::{Form, Freshness, Roots, Volume};
use proptest::prelude::*;
use support::model::{Model, Operation, drive, is_state, look};
use support::operations::{Numbers, choose};
use support::{Machine, SMALL};

/// What operations follow from, and whether a new mount comes before.
fn numbers(most: usize) -> impl Strategy<Value = Vec<(Numbers, bool)>> {
    let one = (any::<u8>(), any::<u64>(), any::<u64>(), any::<u64>());
    proptest::collection::vec((one, proptest::bool::weighted(0.05)), 1..most)
}

fn same(volume: &mut Volume, model: &Model) {
    let seen = look(volume).unwrap();
    for (path, (expected, _)) in &model.view() {
        assert_eq!(seen.get(path), Some(expected), "at {path:?}");
    }
    assert_eq!(seen.len(), model.view().len());
    let names: Vec<Vec<u8>> = volume
        .snapshots()
        .unwrap()
        .into_iter()
        .map(|snapshot| snapshot.name)
        .collect();
    assert_eq!(BTreeSet::from_iter(names), model.snapshots.keys().cloned().collect());
    volume.verify().unwrap();
    assert_eq!(volume.endangered().unwrap(), Vec::<u64>::new());
}

fn run(numbers: &[(Numbers, bool)], form: &Form, freshness: Freshness) {
    let mut machine = Machine::new();
    machine.create(form).unwrap();
    let mut volume = machine.mount(freshness).unwrap();
    let mut model = Model::default();
    for (numbers, remount) in numbers {
        if *remount {
            same(&mut volume, &model);
            volume.unmount().unwrap();
            volume = machine.mount(freshness).unwrap();
            model.apply(&Operation::Remount).unwrap();
            same(&mut volume, &model);
        }
        let operation = choose(*numbers, &model);
        assert_eq!(drive(&mut volume, &operation), model.apply(&operation), "{operation:?}");
    }
    same(&mut volume, &model);
    volume.unmount().unwrap();
    same(&mut machine.mount_for_reading(freshness).unwrap(), &model);
    for (name, view) in &model.snapshots {
        let mut reader = machine.mount_for_reading(freshness).unwrap();
        reader.show_snapshot(name).unwrap();
        assert!(is_state(&look(&mut reader).unwrap(), view));
        reader.verify().unwrap();
    }
}

/// More cases with CASEMATE_LONG=1.
fn cases(short: u32, long: u32) -> ProptestConfig {
    let cases = if std::env::var_os("CASEMATE_LONG").is_some() {
        long
    } else {
        short
    };
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(24, 2000))]

    #[test]
    fn a_volume_does_what_a_file_system_does(numbers in numbers(250), hash: bool, none: bool) {
        let roots = if hash { Roots::Hash } else { Roots::Tag };
        let freshness = if none { Freshness::None } else { Freshness::Interval };
        run(&numbers, &Form { roots, ..SMALL }, freshness);
    }
}
