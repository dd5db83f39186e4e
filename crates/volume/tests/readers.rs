//! A reader beside a writer: what it reads is not used again while it is registered. And the end of a volume.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::sync::{Arc, Mutex};

use casemate_volume::anchor::{Memory, Record, Refusal, State};
use casemate_volume::{Anchor, Error, Freshness, New, ROOT, Volume, VolumeKey};
use support::{KEY, Machine, SMALL};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

/// An anchor that knows the oldest reader.
struct Registry(Memory, Arc<Mutex<Option<u64>>>);

impl Anchor for Registry {
    fn read(&mut self) -> Result<Record, Error> {
        self.0.read()
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        self.0.compare_and_set(expected, new)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn oldest_reader(&self) -> Option<u64> {
        *self.1.lock().unwrap()
    }
}

/// A writer, a reader of what it had synced and fsynced, and the register of readers.
fn writer_and_reader() -> (Volume, Volume, Arc<Mutex<Option<u64>>>) {
    let machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let oldest = Arc::default();
    let anchor = Registry(machine.anchor.clone(), Arc::clone(&oldest));
    let environment = machine.with(Box::new(anchor));
    let mut writer = Volume::mount(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap();
    for (name, synced) in [(b"old", true), (b"new", false)] {
        let file = writer.create_file(ROOT, name, NEW).unwrap().inode;
        writer.write(file, 0, &vec![name[0]; 300_000]).unwrap();
        writer.fsync(file).unwrap();
        if synced {
            writer.sync().unwrap();
        }
    }
    let reader = machine.mount_for_reading(Freshness::Strict).unwrap();
    (writer, reader, oldest)
}

/// Overwrites everything, again and again.
fn churn(writer: &mut Volume, rounds: u8) {
    for round in 0..rounds {
        for name in [b"old", b"new"] {
            let file = writer.lookup(ROOT, name).unwrap().inode;
            writer.write(file, 0, &vec![round; 300_000]).unwrap();
        }
        writer.sync().unwrap();
    }
}

#[test]
fn a_registered_reader_never_meets_blocks_that_were_used_again() {
    let (mut writer, mut reader, oldest) = writer_and_reader();
    *oldest.lock().unwrap() = Some(reader.status().generation);
    churn(&mut writer, 3);
    assert_eq!(writer.endangers(&mut reader).unwrap(), Vec::<u64>::new());
    for name in [b"old", b"new"] {
        let file = reader.lookup(ROOT, name).unwrap().inode;
        let mut bytes = vec![0; 300_000];
        assert_eq!(reader.read(file, 0, &mut bytes).unwrap(), 300_000);
        assert!(bytes.iter().all(|byte| *byte == name[0]));
    }
    reader.verify().unwrap();
    writer.verify().unwrap();
}

#[test]
fn what_a_reader_held_is_used_again_when_it_is_gone() {
    let (mut writer, mut reader, oldest) = writer_and_reader();
    *oldest.lock().unwrap() = Some(reader.status().generation);
    churn(&mut writer, 3);
    *oldest.lock().unwrap() = None;
    writer.sync().unwrap();
    assert_ne!(writer.endangers(&mut reader).unwrap(), Vec::<u64>::new());
    churn(&mut writer, 12);
    // Never other data than was written.
    let refused = reader.verify().unwrap_err();
    assert!(matches!(refused, Error::Tampered { .. }), "{refused}");
}

#[test]
fn a_retired_volume_is_refused_for_ever() {
    for freshness in [Freshness::Strict, Freshness::Interval] {
        let mut machine = Machine::new();
        machine.create(&SMALL).unwrap();
        machine.mount(freshness).unwrap().retire().unwrap();
        assert_eq!(machine.anchor.record().state, State::Retired);
        assert!(matches!(machine.mount(freshness).unwrap_err(), Error::Retired));
        assert!(matches!(
            machine.mount_for_reading(freshness).unwrap_err(),
            Error::Retired
        ));
        assert!(matches!(machine.create(&SMALL).unwrap_err(), Error::Occupied(_)));
    }
}

#[test]
fn who_may_not_write_does_not_retire() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let reader = machine.mount_for_reading(Freshness::Strict).unwrap();
    assert!(matches!(reader.retire().unwrap_err(), Error::ReadOnly));
    let unanchored = machine.mount(Freshness::None).unwrap();
    assert!(matches!(unanchored.retire().unwrap_err(), Error::Invalid));
    let fenced = machine.mount(Freshness::Strict).unwrap();
    let mut other = machine.mount(Freshness::Strict).unwrap();
    assert!(matches!(fenced.retire().unwrap_err(), Error::Fenced(_)));
    other.sync().unwrap();
    assert_eq!(machine.anchor.record().state, State::Active);
}
