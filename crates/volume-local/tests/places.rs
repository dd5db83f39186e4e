//! Volumes by folder, key and anchor file.
#![allow(clippy::unwrap_used, clippy::panic)] // tests say so by failing

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use casemate_volume::anchor::{Anchor, Durability, InsecureFile, Record};
use casemate_volume::{Error, Freshness, New, ROOT, Roots, VolumeKey};
use casemate_volume_local::{AnchorFile, Failure, Place};

const CAPACITY: u64 = 16 << 20;
const FILE: u32 = 0o100_644;

fn place(root: &Path, durability: Durability) -> Place {
    Place {
        folder: root.join("V"),
        key: VolumeKey::new([7; 32]),
        anchor: Some(AnchorFile {
            file: root.join("A"),
            durability,
        }),
        keeps_reads: false,
    }
}

fn new() -> New {
    New {
        mode: FILE,
        uid: 0,
        gid: 0,
        device: 0,
    }
}

#[test]
fn what_is_written_is_read_from_the_same_place() {
    let root = tempfile::tempdir().unwrap();
    let place = place(root.path(), Durability::Durable);
    let made = place.clone().create(Roots::Hash, Some(CAPACITY), None).unwrap();
    assert_eq!((made.form.roots, made.form.capacity), (Roots::Hash, CAPACITY));
    let mut volume = place.write(Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"file", new()).unwrap().inode;
    volume.write(file, 0, b"content").unwrap();
    volume.unmount().unwrap();
    let mut volume = place.read(Freshness::Strict).unwrap();
    assert_eq!(volume.identity(), made.volume);
    let mut content = [0; 7];
    assert_eq!(volume.read(file, 0, &mut content).unwrap(), 7);
    assert_eq!(&content, b"content");
}

#[test]
fn a_place_without_an_anchor_is_read_only_where_nobody_asks_it() {
    let root = tempfile::tempdir().unwrap();
    let mut place = place(root.path(), Durability::Durable);
    place.clone().create(Roots::Tag, Some(CAPACITY), None).unwrap();
    place.anchor = None;
    assert!(matches!(place.read(Freshness::Strict), Err(Failure::NoAnchor)));
    assert!(matches!(place.write(Freshness::Interval), Err(Failure::NoAnchor)));
    assert!(place.read(Freshness::None).is_ok());
    assert_eq!(place.record(Freshness::None).unwrap(), None);
}

#[test]
fn a_reader_takes_what_the_anchor_says_by_then_while_a_writer_goes_on() {
    for durability in [Durability::Lazy, Durability::Durable] {
        let root = tempfile::tempdir().unwrap();
        let place = place(root.path(), durability);
        place.clone().create(Roots::Tag, Some(CAPACITY), None).unwrap();
        let mut volume = place.write(Freshness::Strict).unwrap();
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let file = volume.create_file(ROOT, b"file", new()).unwrap().inode;
                    volume.write(file, 0, &[1; 300_000]).unwrap();
                    volume.unlink(ROOT, b"file").unwrap();
                    volume.reap(file).unwrap();
                    volume.sync().unwrap();
                }
            });
            let opened: Vec<_> = (0..2000).map(|_| place.read(Freshness::Strict).map(drop)).collect();
            ended.store(true, Ordering::Relaxed);
            for outcome in opened {
                outcome.unwrap();
            }
        });
    }
}

#[test]
fn what_is_refused_stays_so_while_the_anchor_rests() {
    let root = tempfile::tempdir().unwrap();
    let place = place(root.path(), Durability::Durable);
    place.clone().create(Roots::Tag, Some(CAPACITY), None).unwrap();
    let other = Place {
        key: VolumeKey::new([8; 32]),
        ..place
    };
    let refused = other.read(Freshness::Strict).unwrap_err();
    assert!(matches!(refused, Failure::Volume(Error::Tampered { .. })), "{refused}");
}

#[test]
fn who_only_reads_an_anchor_cannot_set_it() {
    let root = tempfile::tempdir().unwrap();
    let place = place(root.path(), Durability::Durable);
    place.clone().create(Roots::Tag, Some(CAPACITY), None).unwrap();
    let mut anchor = InsecureFile::open_for_reading(&root.path().join("A"), Durability::Durable).unwrap();
    let record = anchor.read().unwrap();
    let other = Record {
        fence: record.fence + 1,
        ..record
    };
    assert!(matches!(anchor.compare_and_set(&record, &other), Err(Error::Anchor(_))));
    assert_eq!(place.record(Freshness::Strict).unwrap(), Some(record));
}
