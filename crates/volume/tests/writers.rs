//! One writer at a time: by a lock on one host, by the fence everywhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use casemate_volume::anchor::{Durability, InsecureFile};
use casemate_volume::host::Folder;
use casemate_volume::{Environment, Error, Freshness, New, ROOT, SystemClock, SystemRandom, Volume, VolumeKey};
use support::disk::{Disk, Event};
use support::{KEY, Machine, SMALL};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

#[test]
fn a_writer_that_was_fenced_acknowledges_nothing_more() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut first = machine.mount(Freshness::Strict).unwrap();
    let file = first.create_file(ROOT, b"file", NEW).unwrap().inode;
    first.fsync(file).unwrap();
    let mut elsewhere = Machine {
        disk: Disk::of(machine.disk.files()),
        ..machine.clone()
    };
    let second = elsewhere.mount(Freshness::Strict).unwrap();
    first.write(file, 0, b"late").unwrap();
    let refused = first.fsync(file).unwrap_err();
    assert!(
        matches!(refused, Error::Fenced(fence) if fence == second.status().fence),
        "{refused}"
    );
    assert!(matches!(first.fsync(file).unwrap_err(), Error::Fenced(_)));
    assert!(matches!(first.write(file, 0, b"later").unwrap_err(), Error::Fenced(_)));
    assert!(matches!(first.sync().unwrap_err(), Error::Fenced(_)));
}

#[test]
fn what_a_fenced_writer_left_in_the_log_is_refused_for_ever() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut first = machine.mount(Freshness::Interval).unwrap();
    first.create_file(ROOT, b"before", NEW).unwrap();
    first.fsync(ROOT).unwrap();
    let mut elsewhere = Machine {
        disk: Disk::of(machine.disk.files()),
        ..machine.clone()
    };
    drop(elsewhere.mount(Freshness::Interval).unwrap());
    first.create_file(ROOT, b"after", NEW).unwrap();
    first.fsync(ROOT).unwrap();
    let mut volume = machine.mount(Freshness::Interval).unwrap();
    assert!(volume.lookup(ROOT, b"before").is_ok());
    assert!(matches!(volume.lookup(ROOT, b"after").unwrap_err(), Error::NotFound));
}

#[test]
fn a_slot_that_a_fenced_writer_wrote_is_refused_even_under_a_lazy_anchor() {
    let mut machine = Machine {
        durable: false,
        ..Machine::new()
    };
    machine.create(&SMALL).unwrap();
    let mut first = machine.mount(Freshness::Interval).unwrap();
    first.create_file(ROOT, b"before", NEW).unwrap();
    first.fsync(ROOT).unwrap();
    let mut elsewhere = Machine {
        disk: Disk::of(machine.disk.files()),
        ..machine.clone()
    };
    drop(elsewhere.mount(Freshness::Interval).unwrap());
    first.create_file(ROOT, b"after", NEW).unwrap();
    let refused = first.sync().unwrap_err();
    assert!(matches!(refused, Error::Fenced(_)), "{refused}");
    let mut volume = machine.mount(Freshness::Interval).unwrap();
    assert!(volume.lookup(ROOT, b"before").is_ok());
    assert!(matches!(volume.lookup(ROOT, b"after").unwrap_err(), Error::NotFound));
}

#[test]
fn a_cloned_machine_that_mounts_again_has_another_key() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    machine.disk.take_events();
    let mut groups = Vec::new();
    for _ in 0..2 {
        // The clone's generator gives the same bytes again: the fence alone must part the keys.
        machine.seed = 5;
        let mut volume = machine.mount(Freshness::Strict).unwrap();
        volume.set_attribute(ROOT, b"name", b"value", None).unwrap();
        volume.fsync(ROOT).unwrap();
        let written = machine.disk.take_events().into_iter().find_map(|event| match event {
            Event::Write(casemate_volume::host::File::Log, _, bytes) => Some(bytes),
            _ => None,
        });
        groups.push(written.unwrap());
    }
    // Fence; salt; ciphertext.
    assert_ne!(groups[0][8..16], groups[1][8..16]);
    assert_eq!(groups[0][32..64], groups[1][32..64]);
    assert_ne!(groups[0][80..112], groups[1][80..112]);
}

fn environment(folder: &std::path::Path, anchor: InsecureFile) -> Result<Environment, Error> {
    Ok(Environment {
        host: Box::new(Folder::write(folder)?),
        anchor: Box::new(anchor),
        random: Box::new(SystemRandom),
        clock: Box::new(SystemClock),
    })
}

#[test]
fn a_folder_has_one_writer_and_any_number_of_readers() {
    let root = tempfile::tempdir().unwrap();
    let (folder, anchor) = (root.path().join("volume"), root.path().join("anchor"));
    std::fs::create_dir(&folder).unwrap();
    for durability in [Durability::Lazy, Durability::Durable] {
        let open = || InsecureFile::open(&anchor, durability);
        if durability == Durability::Lazy {
            let made = InsecureFile::create(&anchor, durability).unwrap();
            Volume::create(environment(&folder, made).unwrap(), VolumeKey::new(KEY), &SMALL).unwrap();
        }
        let mounted = environment(&folder, open().unwrap()).unwrap();
        let mut volume = Volume::mount(mounted, VolumeKey::new(KEY), Freshness::Strict).unwrap();
        let refused = Folder::write(&folder).unwrap_err();
        assert!(matches!(refused, Error::Locked), "{refused}");
        let file = volume
            .create_file(ROOT, format!("{durability:?}").as_bytes(), NEW)
            .unwrap()
            .inode;
        volume.write(file, 0, &[1; 100_000]).unwrap();
        volume.fsync(file).unwrap();
        let reading = Environment {
            host: Box::new(Folder::read(&folder).unwrap()),
            anchor: Box::new(open().unwrap()),
            random: Box::new(SystemRandom),
            clock: Box::new(SystemClock),
        };
        let mut reader = Volume::mount_for_reading(reading, VolumeKey::new(KEY), Freshness::Strict).unwrap();
        let mut bytes = vec![0; 100_000];
        assert_eq!(reader.read(file, 0, &mut bytes).unwrap(), 100_000);
        assert!(bytes.iter().all(|byte| *byte == 1));
        assert!(matches!(
            reader.create_file(ROOT, b"no", NEW).unwrap_err(),
            Error::ReadOnly
        ));
        volume.unmount().unwrap();
    }
}

#[test]
fn an_anchor_file_is_never_made_over_another() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("anchor");
    InsecureFile::create(&path, Durability::Durable).unwrap();
    let refused = InsecureFile::create(&path, Durability::Durable).unwrap_err();
    assert!(matches!(refused, Error::Occupied(_)), "{refused}");
    std::fs::write(&path, [0; 1024]).unwrap();
    let refused = InsecureFile::open(&path, Durability::Durable).unwrap_err();
    assert!(
        matches!(&refused, Error::Anchor(why) if why.contains("no record")),
        "{refused}"
    );
}
