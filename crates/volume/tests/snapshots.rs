//! Snapshots: what they show, what they keep, and what a deletion gives back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::sync::Arc;

use casemate_volume::{Error, Form, Freshness, New, ROOT, Roots, Volume, VolumeKey};
use support::disk::{Disk, Event, moments};
use support::faults::{Answer, Flaky};
use support::model::look;
use support::{KEY, Machine, SMALL, Seeded};

const FILE: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

fn machine(roots: Roots) -> (Machine, Volume) {
    let mut machine = Machine::new();
    machine.create(&Form { roots, ..SMALL }).unwrap();
    let volume = machine.mount(Freshness::Strict).unwrap();
    (machine, volume)
}

fn put(volume: &mut Volume, name: &[u8], byte: u8, length: usize) {
    let file = match volume.lookup(ROOT, name) {
        Ok(found) => found.inode,
        Err(_) => volume.create_file(ROOT, name, FILE).unwrap().inode,
    };
    volume.write(file, 0, &vec![byte; length]).unwrap();
}

fn shown(machine: &Machine, name: &[u8]) -> Volume {
    let mut volume = machine.mount_for_reading(Freshness::Strict).unwrap();
    volume.show_snapshot(name).unwrap();
    volume
}

fn sound(volume: &mut Volume) {
    assert_eq!(volume.check().unwrap().findings.kept, []);
    volume.verify().unwrap();
    assert_eq!(volume.endangered().unwrap(), Vec::<u64>::new());
}

fn free(volume: &Volume) -> u64 {
    volume.statistics().free
}

#[test]
fn a_snapshot_shows_what_was_there_whatever_becomes_of_it() {
    for roots in [Roots::Tag, Roots::Hash] {
        let (mut machine, mut volume) = machine(roots);
        let mut expected = Vec::new();
        for round in 1..6u8 {
            put(&mut volume, b"large", round, 200_000);
            put(&mut volume, b"small", round, 300);
            put(&mut volume, &[b'a' + round], round, 9000);
            volume.unlink(ROOT, &[b'a' + round - 1]).ok();
            let name = [b's', b'0' + round];
            let seen = look(&mut volume).unwrap();
            volume.create_snapshot(&name).unwrap();
            sound(&mut volume);
            expected.push((name, seen));
        }
        for name in [b"large".as_slice(), b"small", b"f"] {
            volume.unlink(ROOT, name).unwrap();
        }
        volume.unmount().unwrap();
        let mut volume = machine.mount(Freshness::Strict).unwrap();
        sound(&mut volume);
        assert_eq!(volume.snapshots().unwrap().len(), 5);
        for (name, seen) in &expected {
            let mut reader = shown(&machine, name);
            assert_eq!(look(&mut reader).unwrap(), *seen);
            assert_eq!(reader.check().unwrap().findings.kept, []);
            reader.verify().unwrap();
            assert_eq!(reader.snapshots().unwrap(), []);
        }
    }
}

#[test]
fn deleting_in_any_order_keeps_the_others_and_gives_everything_back() {
    for seed in 0..12 {
        let (mut machine, mut volume) = machine(Roots::Tag);
        put(&mut volume, b"f", 0, 100_000);
        volume.sync().unwrap();
        let mut random = Seeded(seed);
        let mut kept = Vec::new();
        for round in 0..40u8 {
            let at = random.next() % 100_000;
            let file = volume.lookup(ROOT, b"f").unwrap().inode;
            volume.write(file, at, &vec![round; 5000]).unwrap();
            if random.next() % 3 == 0 {
                volume.fsync(file).unwrap();
            }
            if kept.len() < 5 && random.next() % 2 == 0 {
                let name = vec![b's', b'A' + round];
                volume.create_snapshot(&name).unwrap();
                kept.push((name, look(&mut volume).unwrap()));
            } else if !kept.is_empty() {
                let (name, _) = kept.remove(random.next() as usize % kept.len());
                volume.delete_snapshot(&name).unwrap();
            }
            sound(&mut volume);
            if random.next() % 5 == 0 {
                drop(volume);
                volume = machine.mount(Freshness::Strict).unwrap();
                sound(&mut volume);
            }
            for (name, seen) in &kept {
                assert_eq!(look(&mut shown(&machine, name)).unwrap(), *seen);
            }
        }
        for (name, _) in kept {
            volume.delete_snapshot(&name).unwrap();
        }
        volume.unlink(ROOT, b"f").unwrap();
        volume.reap(ROOT + 1).unwrap();
        volume.unmount().unwrap();
        let volume = machine.mount(Freshness::Strict).unwrap();
        assert_eq!(free(&volume), free(&self::machine(Roots::Tag).1));
    }
}

/// What was born in a generation that recovery does not reach is born anew with the first checkpoint after it.
#[test]
fn what_a_log_has_from_behind_a_lost_checkpoint_is_kept_for_a_snapshot() {
    let machine = machine(Roots::Tag).0;
    let anchor = Flaky {
        memory: machine.anchor.clone(),
        answer: Arc::default(),
    };
    let mount = |seed| {
        let mut machine = machine.clone();
        machine.seed = seed;
        let environment = machine.with(Box::new(anchor.clone()));
        Volume::mount(environment, VolumeKey::new(KEY), Freshness::Interval).unwrap()
    };
    let mut volume = mount(5);
    put(&mut volume, b"small", 1, 100);
    anchor.set(Answer::Away);
    assert!(matches!(volume.sync(), Err(Error::Anchor(_))));
    put(&mut volume, b"large", 2, 200_000);
    let large = volume.lookup(ROOT, b"large").unwrap().inode;
    volume.fsync(large).unwrap();
    drop(volume);
    anchor.set(Answer::Yes);
    let mut volume = mount(6);
    volume.create_snapshot(b"s").unwrap();
    put(&mut volume, b"large", 3, 200_000);
    volume.sync().unwrap();
    sound(&mut volume);
}

#[test]
fn a_deletion_that_was_interrupted_is_ended_by_the_next_mount() {
    let (machine, mut volume) = machine(Roots::Tag);
    // Each checkpoint gives what dies a birth of its own: more values than one batch of a deletion takes.
    for round in 0..80u8 {
        put(&mut volume, &[b'a', 100 + round], round, 5000);
        volume.sync().unwrap();
    }
    volume.create_snapshot(b"s").unwrap();
    for round in 0..80u8 {
        let inode = volume.lookup(ROOT, &[b'a', 100 + round]).unwrap().inode;
        volume.unlink(ROOT, &[b'a', 100 + round]).unwrap();
        volume.reap(inode).unwrap();
    }
    volume.sync().unwrap();
    let (files, record) = (machine.disk.files(), machine.anchor.record());
    machine.disk.take_events();
    volume.delete_snapshot(b"s").unwrap();
    let full = free(&volume);
    let events = machine.disk.take_events();
    let checkpoints = events.iter().filter(|event| matches!(event, Event::Anchor(_))).count();
    assert!(checkpoints > 1, "{checkpoints}");
    let mut halves = 0;
    moments(&files, record, true, &events, |moment| {
        let Some(record) = moment.records.last() else { return };
        let mut machine = Machine::of(Disk::of(moment.durable.clone()), *record);
        let going = machine
            .mount_for_reading(Freshness::Strict)
            .unwrap()
            .snapshots()
            .unwrap()
            .is_empty();
        let mut volume = machine.mount(Freshness::Strict).unwrap();
        sound(&mut volume);
        assert_eq!(volume.snapshots().unwrap().is_empty(), going);
        if going {
            volume.sync().unwrap();
            assert!(free(&volume) + 16 >= full);
            halves += 1;
        }
    });
    assert!(halves > 2, "{halves}");
}

#[test]
fn a_name_is_taken_once_and_a_snapshot_cannot_be_changed() {
    let (machine, mut volume) = machine(Roots::Tag);
    volume.create_snapshot(b"s").unwrap();
    assert!(matches!(volume.create_snapshot(b"s"), Err(Error::Exists)));
    assert!(matches!(volume.create_snapshot(b""), Err(Error::Invalid)));
    assert!(matches!(volume.create_snapshot(b"a/b"), Err(Error::Invalid)));
    assert!(matches!(volume.create_snapshot(&[b'x'; 256]), Err(Error::NameTooLong)));
    assert!(matches!(volume.delete_snapshot(b"t"), Err(Error::NotFound)));
    assert!(matches!(volume.show_snapshot(b"s"), Err(Error::Invalid)));
    let mut reader = shown(&machine, b"s");
    assert!(matches!(reader.create_snapshot(b"t"), Err(Error::ReadOnly)));
    assert!(matches!(reader.create_file(ROOT, b"f", FILE), Err(Error::ReadOnly)));
    let mut reader = machine.mount_for_reading(Freshness::Strict).unwrap();
    assert!(matches!(reader.show_snapshot(b"t"), Err(Error::NotFound)));
    assert!(matches!(reader.delete_snapshot(b"s"), Err(Error::ReadOnly)));
}

#[test]
fn a_full_volume_can_delete_a_snapshot() {
    let (mut machine, mut volume) = machine(Roots::Tag);
    let mut count = 0u32;
    let fill = |volume: &mut Volume, count: &mut u32| loop {
        *count += 1;
        let made = volume.create_file(ROOT, count.to_string().as_bytes(), FILE);
        let Ok(file) = made else { return };
        if volume.write(file.inode, 0, &[1; 30_000]).is_err() {
            return;
        }
    };
    for name in b'a'..=b'z' {
        put(&mut volume, &[name], name, 50_000);
    }
    volume.create_snapshot(b"s").unwrap();
    for name in b'a'..=b'z' {
        let inode = volume.lookup(ROOT, &[name]).unwrap().inode;
        volume.unlink(ROOT, &[name]).unwrap();
        volume.reap(inode).unwrap();
    }
    fill(&mut volume, &mut count);
    // Removing frees nothing now; it goes on until the room for that is used up.
    let removed = (1..count).take_while(|number| {
        let name = number.to_string();
        let inode = volume.lookup(ROOT, name.as_bytes()).map(|found| found.inode);
        let Ok(inode) = inode else { return true };
        volume
            .unlink(ROOT, name.as_bytes())
            .and_then(|()| volume.reap(inode))
            .is_ok()
    });
    assert!(removed.count() > 0);
    fill(&mut volume, &mut count);
    volume.sync().unwrap();
    sound(&mut volume);
    volume.delete_snapshot(b"s").unwrap();
    sound(&mut volume);
    assert!(free(&volume) > 100, "{}", free(&volume));
    volume.unmount().unwrap();
    sound(&mut machine.mount(Freshness::Strict).unwrap());
}
