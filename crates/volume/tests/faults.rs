//! The host fails, the anchor is away, the volume is full: what was acknowledged stays, and nothing else is said.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use casemate_volume::{Environment, Error, Form, Freshness, New, ROOT, Roots, Volume, VolumeKey};
use support::faults::{Answer, Call, Faulty, Flaky, Narrow};
use support::{KEY, Machine, SMALL, Seeded, Ticks};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

fn mount_on(machine: &Machine, host: &Faulty) -> Volume {
    let environment = Environment {
        host: Box::new(host.clone()),
        ..machine.environment()
    };
    Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap()
}

#[test]
fn a_failed_flush_or_write_is_never_retried_as_success() {
    for call in [Call::Flush, Call::Write] {
        let mut machine = Machine::new();
        machine.create(&SMALL).unwrap();
        let host = Faulty {
            disk: machine.disk.clone(),
            call,
            failures: Arc::default(),
        };
        let mut volume = mount_on(&machine, &host);
        let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
        volume.write(file, 0, b"acknowledged").unwrap();
        volume.fsync(file).unwrap();
        volume.write(file, 0, b"not").unwrap();
        host.failures.store(1, Ordering::SeqCst);
        assert!(matches!(volume.fsync(file).unwrap_err(), Error::Host(_)));
        assert_eq!(host.failures.load(Ordering::SeqCst), 0, "the host works again");
        for refused in [
            volume.fsync(file),
            volume.sync(),
            volume.anchor(),
            volume.write(file, 0, b"more"),
        ] {
            assert_eq!(refused.unwrap_err().errno(), 5);
        }
        drop(volume);
        let mut volume = machine.mount(Freshness::Strict).unwrap();
        let mut bytes = [0; 12];
        volume.read(file, 0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"acknowledged");
    }
}

#[test]
fn a_host_that_cannot_read_is_an_error_and_no_tampering() {
    let machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let host = Faulty {
        disk: machine.disk.clone(),
        call: Call::Read,
        failures: Arc::default(),
    };
    host.failures.store(u32::MAX, Ordering::SeqCst);
    let environment = Environment {
        host: Box::new(host),
        ..machine.environment()
    };
    let refused = Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap_err();
    assert!(matches!(refused, Error::Host(_)), "{refused}");
}

fn flaky(machine: &Machine) -> (Flaky, Volume) {
    let anchor = Flaky {
        memory: machine.anchor.clone(),
        answer: Arc::default(),
    };
    let environment = Environment {
        host: Box::new(machine.disk.clone()),
        anchor: Box::new(anchor.clone()),
        random: Box::new(Seeded(3)),
        clock: Box::new(Ticks::default()),
    };
    (
        anchor,
        Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap(),
    )
}

#[test]
fn a_lost_reply_is_read_back_and_counts() {
    let machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let (anchor, mut volume) = flaky(&machine);
    volume.create_file(ROOT, b"file", NEW).unwrap();
    anchor.set(Answer::ReplyLost);
    volume.fsync(ROOT).unwrap();
    volume.sync().unwrap();
    assert_eq!(volume.status().anchored, volume.status().generation);
}

#[test]
fn a_lost_update_is_no_acknowledgement_and_is_sent_again() {
    let machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let (anchor, mut volume) = flaky(&machine);
    volume.create_file(ROOT, b"file", NEW).unwrap();
    for answer in [Answer::Lost, Answer::Away] {
        anchor.set(answer);
        let refused = volume.fsync(ROOT).unwrap_err();
        assert!(matches!(refused, Error::Anchor(_)), "{refused}");
    }
    anchor.set(Answer::Yes);
    volume.fsync(ROOT).unwrap();
    drop(volume);
    let (_, mut volume) = flaky(&machine);
    assert!(volume.lookup(ROOT, b"file").is_ok());
}

#[test]
fn while_the_anchor_is_away_no_space_is_used_again_and_all_goes_on_afterwards() {
    let machine = Machine::new();
    // Little space and much log: what is freed would soon be used again.
    machine
        .create(&Form {
            capacity: 1 << 20,
            log: 4 << 20,
            ..SMALL
        })
        .unwrap();
    let (anchor, mut volume) = flaky(&machine);
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    volume.write(file, 0, &[1; 200_000]).unwrap();
    volume.sync().unwrap();
    anchor.set(Answer::Away);
    let mut refused = None;
    for round in 0..100u32 {
        let written = volume
            .write(file, 0, &[round as u8; 70_000])
            .and_then(|()| volume.fsync(file));
        if volume.status().generation > volume.status().anchored + 1 {
            panic!("the anchored slot was overwritten");
        }
        match written {
            Err(Error::Anchor(why)) => refused = Some(why),
            other => panic!("{other:?}"),
        }
        assert_eq!(volume.endangered().unwrap(), Vec::<u64>::new());
        if round % 5 == 0 {
            // What is anchored stays as it was, to the last byte.
            let mut reader = machine.mount_for_reading(Freshness::Strict).unwrap();
            reader.verify().unwrap();
            let mut bytes = vec![0; 200_000];
            assert_eq!(reader.read(file, 0, &mut bytes).unwrap(), 200_000);
            assert!(bytes.iter().all(|byte| *byte == 1));
        }
    }
    assert!(refused.is_some());
    anchor.set(Answer::Yes);
    volume.write(file, 0, b"back").unwrap();
    volume.fsync(file).unwrap();
    volume.verify().unwrap();
    drop(volume);
    let (_, mut volume) = flaky(&machine);
    let mut bytes = [0; 4];
    volume.read(file, 0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"back");
}

#[test]
fn a_full_volume_says_so_keeps_everything_and_can_delete() {
    for size in [100, 3000, 5000, 70_000] {
        let mut machine = Machine::new();
        machine.create(&SMALL).unwrap();
        let mut volume = machine.mount(Freshness::Strict).unwrap();
        let mut files = Vec::new();
        let full = loop {
            let name = format!("file-{}", files.len());
            let made = volume.create_file(ROOT, name.as_bytes(), NEW);
            let written = made.and_then(|made| volume.write(made.inode, 0, &vec![files.len() as u8; size]));
            match written {
                Ok(()) => files.push(name),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, Error::NoSpace), "{full}");
        volume.sync().unwrap();
        volume.verify().unwrap();
        volume.unmount().unwrap();
        let mut volume = machine.mount(Freshness::Strict).unwrap();
        for (index, name) in files.iter().enumerate() {
            let inode = volume.lookup(ROOT, name.as_bytes()).unwrap().inode;
            let mut bytes = vec![0; size];
            assert_eq!(volume.read(inode, 0, &mut bytes).unwrap(), size);
            assert!(bytes.iter().all(|byte| *byte == index as u8));
            volume.unlink(ROOT, name.as_bytes()).unwrap();
            volume.reap(inode).unwrap();
        }
        volume.sync().unwrap();
        volume.verify().unwrap();
        let again = volume.create_file(ROOT, b"again", NEW).unwrap().inode;
        volume.write(again, 0, &vec![1; 1 << 20]).unwrap();
        volume.fsync(again).unwrap();
    }
}

#[test]
fn a_full_host_is_a_full_volume_in_which_one_can_delete() {
    let mut machine = Machine::new();
    let capacity = 1 << 30;
    machine.create(&Form::new(Roots::Tag, capacity)).unwrap();
    let host = Narrow {
        disk: machine.disk.clone(),
        room: 160 << 20,
    };
    let environment = Environment {
        host: Box::new(host),
        ..machine.environment()
    };
    let mut volume = Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap();
    let mut names = 0u32..;
    let full = loop {
        let name = names.next().unwrap().to_string();
        let written = volume
            .create_file(ROOT, name.as_bytes(), NEW)
            .and_then(|file| volume.write(file.inode, 0, &vec![1; 4 << 20]));
        if let Err(error) = written {
            break error;
        }
    };
    assert!(matches!(full, Error::NoSpace), "{full}");
    volume.sync().unwrap();
    let before = volume.statistics().available;
    for name in 0..4u32 {
        let file = volume.lookup(ROOT, name.to_string().as_bytes()).unwrap().inode;
        volume.unlink(ROOT, name.to_string().as_bytes()).unwrap();
        volume.reap(file).unwrap();
    }
    volume.sync().unwrap();
    assert!(
        volume.statistics().available >= before + 3 * 1024,
        "what was deleted can be used"
    );
    let file = volume.create_file(ROOT, b"again", NEW).unwrap().inode;
    volume.write(file, 0, &vec![2; 4 << 20]).unwrap();
    volume.unmount().unwrap();
    machine.mount(Freshness::Strict).unwrap().verify().unwrap();
}
