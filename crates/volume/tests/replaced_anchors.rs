//! An anchor's file that gives way to another volume's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::path::{Path, PathBuf};

use casemate_volume::anchor::{Durability, InsecureFile, Record, Refusal, State};
use casemate_volume::{Anchor, Error, VolumeKey};

fn record(volume: u8, fence: u64) -> Record {
    Record {
        volume: [volume; 16],
        state: State::Active,
        generation: 3,
        root: [volume; 32],
        fence,
    }
}

/// An anchor's file with this record.
fn made(folder: &Path, name: &str, record: &Record) -> PathBuf {
    let path = folder.join(name);
    let mut anchor = InsecureFile::create(&path, Durability::Durable).unwrap();
    assert_eq!(anchor.compare_and_set(&Record::UNINITIALISED, record).unwrap(), Ok(()));
    path
}

fn opened(path: &Path) -> InsecureFile {
    InsecureFile::open(path, Durability::Durable).unwrap()
}

#[test]
fn the_other_ones_record_is_there_and_who_had_the_old_file_finds_it_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (record(1, 5), record(2, 9));
    let (path, by) = (made(folder.path(), "A", &old), made(folder.path(), "B", &new));
    let mut still_open = opened(&path);
    opened(&path).replace(&path, &old, &by).unwrap();
    assert_eq!(opened(&path).read().unwrap(), new);
    assert!(!by.exists());
    let closed = Record {
        state: State::Retired,
        ..old
    };
    let later = record(1, 6);
    assert_eq!(
        still_open.compare_and_set(&old, &later).unwrap(),
        Err(Refusal::Conflict(closed))
    );
}

#[test]
fn a_file_that_another_writer_took_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (found, new) = (record(1, 6), record(2, 9));
    let (path, by) = (made(folder.path(), "A", &found), made(folder.path(), "B", &new));
    let refused = opened(&path).replace(&path, &record(1, 5), &by);
    assert!(matches!(refused, Err(Error::Fenced(6))), "{refused:?}");
    assert_eq!(opened(&path).read().unwrap(), found);
    assert_eq!(opened(&by).read().unwrap(), new);
}

#[test]
fn what_is_not_there_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let old = record(1, 5);
    let path = made(folder.path(), "A", &old);
    let refused = opened(&path).replace(&path, &old, &folder.path().join("B"));
    assert!(matches!(refused, Err(Error::Anchor(_))), "{refused:?}");
    assert_eq!(opened(&path).read().unwrap(), old);
}

#[test]
fn one_key_is_itself_and_no_other() {
    assert!(VolumeKey::new([1; 32]).is(&VolumeKey::new([1; 32])));
    assert!(!VolumeKey::new([1; 32]).is(&VolumeKey::new([2; 32])));
}
