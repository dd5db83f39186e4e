//! The power goes at any moment: everything acknowledged is there, the rest is a prefix of what was done, and no block
//! that a mountable root refers to can be given out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::collections::BTreeMap;

use casemate_volume::anchor::Record;
use casemate_volume::{Form, Freshness, Roots, Volume};
use support::disk::{Disk, Event, Files, Moment, moments};
use support::model::{Model, Operation, Seen, Snapshots, View, drive, is_state, look};
use support::operations;
use support::{Machine, SMALL, Seeded};

/// How a volume is used, and how far the search goes.
#[derive(Clone, Copy)]
struct Plan {
    seed: u64,
    operations: usize,
    freshness: Freshness,
    durable_anchor: bool,
    roots: Roots,
    /// Pending writes up to which every subset is tried, and random subsets above.
    subsets: usize,
    samples: usize,
    /// One in so many recoveries is itself cut off everywhere.
    again: u64,
    /// Nothing is fsynced, the process dies, and another one mounts what is in the host's memory.
    kill: bool,
}

impl Plan {
    fn new(seed: u64, freshness: Freshness) -> Self {
        let long = std::env::var_os("CASEMATE_LONG").is_some();
        let (operations, subsets, samples, again) = if long { (400, 8, 1000, 40) } else { (70, 4, 6, 150) };
        Self {
            seed,
            operations,
            freshness,
            durable_anchor: true,
            roots: Roots::Tag,
            subsets,
            samples,
            again,
            kill: false,
        }
    }
}

impl Plan {
    /// Without fsync, groups get to the log for their size alone.
    fn adapt(&self, operation: Operation) -> Operation {
        match operation {
            Operation::Fsync(path) | Operation::Write(path, ..) if self.kill => Operation::SetAttribute(path, 9, 900),
            Operation::Sync | Operation::Snapshot(_) | Operation::DeleteSnapshot(_) if self.kill => {
                Operation::Mkdir(b"zz".to_vec())
            }
            other => other,
        }
    }
}

/// What was recorded of a run, and all states that it went through.
struct Run {
    start: Files,
    record: Record,
    events: Vec<Event>,
    states: Vec<State>,
}

/// What can be seen, and what each snapshot shows.
struct State {
    view: View,
    snapshots: Snapshots,
}

impl State {
    fn of(model: &Model) -> Self {
        Self {
            view: model.view(),
            snapshots: model.snapshots.clone(),
        }
    }
}

fn record(plan: &Plan) -> Run {
    let mut machine = Machine {
        durable: plan.durable_anchor,
        ..Machine::new()
    };
    machine
        .create(&Form {
            roots: plan.roots,
            ..SMALL
        })
        .unwrap();
    machine.disk.take_events();
    let (start, record) = (machine.disk.files(), machine.anchor.record());
    let mut random = Seeded(plan.seed);
    let mut volume = machine.mount(plan.freshness).unwrap();
    let mut model = Model::default();
    let mut states = vec![State::of(&model)];
    for _ in 0..plan.operations {
        let operation = plan.adapt(operations::random(&mut random, &model));
        machine.disk.push(Event::Begun(states.len()));
        let outcome = drive(&mut volume, &operation);
        assert_eq!(outcome, model.apply(&operation), "{operation:?}");
        states.push(State::of(&model));
        let durable = matches!(
            operation,
            Operation::Fsync(_) | Operation::Sync | Operation::Snapshot(_) | Operation::DeleteSnapshot(_)
        );
        if outcome.is_ok() && durable {
            machine.disk.push(Event::Acknowledged(states.len() - 1));
        }
        let mut anchored = machine.mount_for_reading(plan.freshness).unwrap();
        assert_eq!(volume.endangers(&mut anchored).unwrap(), Vec::<u64>::new());
    }
    if plan.kill {
        drop(volume);
        machine.mount(plan.freshness).unwrap();
    } else {
        volume.unmount().unwrap();
        machine.disk.push(Event::Acknowledged(states.len() - 1));
    }
    Run {
        start,
        record,
        events: machine.disk.take_events(),
        states,
    }
}

/// Mounts a disk that a crash left and holds what is found against all states that it may be.
fn recover(plan: &Plan, run: &Run, moment: &Moment, machine: &mut Machine) -> Volume {
    let mut volume = machine.mount(plan.freshness).unwrap_or_else(|error| {
        panic!("seed {}: after a crash in state {}: {error}", plan.seed, moment.begun);
    });
    let seen = look(&mut volume).unwrap();
    let snapshots = look_at_snapshots(plan, machine, &mut volume);
    let may = moment.acknowledged..=moment.begun;
    assert!(
        may.clone()
            .any(|state| is_state(&seen, &run.states[state].view) && has(&run.states[state], &snapshots)),
        "seed {}: not a state of {may:?}: {}",
        plan.seed,
        difference(&seen, &run.states[moment.acknowledged].view)
    );
    volume.verify().unwrap();
    assert_eq!(volume.endangered().unwrap(), Vec::<u64>::new());
    volume
}

type Tree = BTreeMap<Vec<u8>, Seen>;

fn look_at_snapshots(plan: &Plan, machine: &Machine, volume: &mut Volume) -> BTreeMap<Vec<u8>, Tree> {
    let names = volume.snapshots().unwrap().into_iter().map(|snapshot| snapshot.name);
    names
        .map(|name| {
            let mut reader = machine.mount_for_reading(plan.freshness).unwrap();
            reader.show_snapshot(&name).unwrap();
            let seen = look(&mut reader).unwrap();
            (name, seen)
        })
        .collect()
}

/// These snapshots, each with the content that it was taken of.
fn has(state: &State, snapshots: &BTreeMap<Vec<u8>, Tree>) -> bool {
    let same = |(name, seen): (&Vec<u8>, &Tree)| {
        let expected = state.snapshots.get(name);
        expected.is_some_and(|view| is_state(seen, view))
    };
    snapshots.len() == state.snapshots.len() && snapshots.iter().all(same)
}

fn difference(seen: &BTreeMap<Vec<u8>, Seen>, expected: &View) -> String {
    let missing: Vec<_> = expected.keys().filter(|path| !seen.contains_key(*path)).collect();
    let more: Vec<_> = seen.keys().filter(|path| !expected.contains_key(*path)).collect();
    let other: Vec<_> = seen
        .iter()
        .filter(|(path, seen)| expected.get(*path).is_some_and(|(_, all)| !all.contains(&seen.content)))
        .collect();
    format!("missing {missing:?}, more {more:?}, {} with other content", other.len())
}

/// Tries every disk of every moment; how many there were.
fn crash(plan: Plan) -> usize {
    let run = record(&plan);
    let mut random = Seeded(plan.seed ^ 0xdead);
    let mut choice = Seeded(plan.seed ^ 0xbeef);
    let mut points = 0;
    moments(&run.start, run.record, plan.durable_anchor, &run.events, |moment| {
        moment.disks(plan.subsets, plan.samples, &mut || random.next(), |files| {
            for record in &moment.records {
                points += 1;
                let again = (choice.next() % plan.again == 0).then(|| files.clone());
                let mut machine = Machine::of(Disk::of(files.clone()), *record);
                machine.durable = plan.durable_anchor;
                drop(recover(&plan, &run, moment, &mut machine));
                if let Some(files) = again {
                    points += crash_again(&plan, &run, moment, files, *record, &machine);
                }
            }
        });
    });
    points
}

/// The power goes once more, anywhere in the recovery.
fn crash_again(plan: &Plan, run: &Run, first: &Moment, start: Files, record: Record, machine: &Machine) -> usize {
    let mut random = Seeded(plan.seed ^ 0xf00d);
    let mut points = 0;
    let events = machine.disk.take_events();
    moments(&start, record, plan.durable_anchor, &events, |second| {
        second.disks(plan.subsets, plan.samples, &mut || random.next(), |files| {
            for record in &second.records {
                points += 1;
                let mut machine = Machine::of(Disk::of(files.clone()), *record);
                (machine.durable, machine.seed) = (plan.durable_anchor, 500);
                let mut volume = recover(plan, run, first, &mut machine);
                volume.sync().unwrap();
                volume.verify().unwrap();
            }
        });
    });
    points
}

/// At least so many disks were tried: the search did not shrink unseen.
fn at_least(points: usize, least: usize) {
    println!("{points} crash points");
    assert!(points >= least, "only {points} crash points");
}

#[test]
fn strict_volumes_lose_nothing_acknowledged() {
    at_least((1..=3).map(|seed| crash(Plan::new(seed, Freshness::Strict))).sum(), 300);
}

#[test]
fn interval_volumes_lose_nothing_acknowledged() {
    at_least(
        (11..=13).map(|seed| crash(Plan::new(seed, Freshness::Interval))).sum(),
        300,
    );
}

#[test]
fn volumes_without_freshness_lose_nothing_acknowledged() {
    at_least(crash(Plan::new(21, Freshness::None)), 100);
}

#[test]
fn strict_volumes_under_a_lazy_anchor_lose_nothing_acknowledged() {
    at_least(
        crash(Plan {
            durable_anchor: false,
            ..Plan::new(31, Freshness::Strict)
        }),
        100,
    );
}

#[test]
fn volumes_of_hash_roots_lose_nothing_acknowledged() {
    at_least(
        crash(Plan {
            roots: Roots::Hash,
            ..Plan::new(41, Freshness::Strict)
        }),
        100,
    );
}

#[test]
fn what_a_dead_process_left_in_memory_is_made_durable_before_the_anchor_has_it() {
    let plan = |seed| Plan {
        kill: true,
        ..Plan::new(seed, Freshness::Interval)
    };
    at_least((51..=53).map(|seed| crash(plan(seed))).sum(), 20);
}
