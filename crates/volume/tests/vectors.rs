//! The volumes in spec/vectors/volume: format version 1, which every release reads.
//!
//! CASEMATE_WRITE_VECTORS=1 writes them anew; that is right only while version 1 is not released.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use casemate_volume::host::File;
use casemate_volume::{CopyOf, Error, Form, Freshness, New, ROOT, Roots, Volume};
use support::Machine;
use support::copies::Pair;
use support::model::bytes;
use support::vectors::{FILE, check};

const FORM: Form = Form {
    roots: Roots::Tag,
    capacity: 1 << 20,
    log: 256 << 10,
};

/// Everything that the format has: a tree of two levels, two writers, a split extent, snapshots with their dead lists,
/// and each change of the log.
fn make(roots: Roots) -> Machine {
    let mut machine = Machine::new();
    machine.create(&Form { roots, ..FORM }).unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    tree(&mut volume).unwrap();
    volume.unmount().unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    log(&mut volume).unwrap();
    machine
}

fn tree(volume: &mut Volume) -> Result<(), Error> {
    let directory = volume.mkdir(ROOT, b"directory", FILE)?.inode;
    for index in 0..12u8 {
        let inode = volume
            .create_file(directory, format!("inline-{index}").as_bytes(), FILE)?
            .inode;
        volume.write(inode, 0, &bytes(index, 2000))?;
    }
    let large = volume.create_file(ROOT, b"large", FILE)?.inode;
    volume.write(large, 0, &bytes(50, 100_000))?;
    volume.create_snapshot(b"first")?;
    volume.write(large, 5 * 4096, &bytes(51, 4096))?;
    let sparse = volume.create_file(ROOT, "späße".as_bytes(), FILE)?.inode;
    volume.write(sparse, 1 << 30, b"after a hole")?;
    volume.link(large, directory, b"hard link")?;
    volume.symlink(ROOT, b"symbolic link", b"directory/inline-0", FILE)?;
    volume.set_attribute(large, b"user.note", b"an attribute", None)?;
    volume.create_file(
        ROOT,
        b"pipe",
        New {
            mode: 0o010_600,
            ..FILE
        },
    )?;
    volume.create_snapshot("zweiter Stand".as_bytes())?;
    let removed = volume.lookup(directory, b"inline-7")?.inode;
    volume.unlink(directory, b"inline-7")?;
    volume.reap(removed)
}

fn log(volume: &mut Volume) -> Result<(), Error> {
    let large = volume.lookup(ROOT, b"large")?.inode;
    volume.truncate(large, 50_001)?;
    let bulk = volume.create_file(ROOT, b"bulk", FILE)?.inode;
    volume.write(bulk, 0, &bytes(52, 70_000))?;
    volume.fsync(bulk)?;
    let journal = volume.create_file(ROOT, b"journal", FILE)?.inode;
    volume.write(journal, 0, &bytes(53, 5000))?;
    volume.fsync(journal)?;
    let directory = volume.lookup(ROOT, b"directory")?.inode;
    let removed = volume.lookup(directory, b"inline-3")?.inode;
    volume.unlink(directory, b"inline-3")?;
    volume.reap(removed)?;
    volume.fsync(ROOT)?;
    // Nobody anchored what follows: no reader shows it.
    volume.create_file(ROOT, b"not fsynced", FILE).map(drop)
}

#[test]
fn version_1_with_tag_roots_is_written_and_read_for_ever() {
    check("tag", &make(Roots::Tag));
}

#[test]
fn version_1_with_hash_roots_is_written_and_read_for_ever() {
    check("hash", &make(Roots::Hash));
}

/// A copy of the first snapshot, brought to the second one, or stopped on the way there.
fn copy(most: u64) -> Machine {
    let mut pair = Pair::new(&FORM, &FORM);
    pair.source = make(Roots::Tag);
    let first = CopyOf {
        snapshot: Some(b"first"),
        since: None,
    };
    pair.copy(first).unwrap();
    let second = CopyOf {
        snapshot: Some("zweiter Stand".as_bytes()),
        since: first.snapshot,
    };
    assert_eq!(pair.copy_until(second, most).is_ok(), most == u64::MAX);
    pair.target
}

#[test]
fn a_copy_in_version_1_is_written_and_read_for_ever() {
    check("copy", &copy(u64::MAX));
}

#[test]
fn an_unfinished_copy_in_version_1_is_written_and_refused_for_ever() {
    check("unfinished-copy", &copy(1));
}

#[test]
fn the_vectors_hold_every_kind_of_entry_and_change() {
    let machine = make(Roots::Tag);
    let mut volume = machine.mount_for_reading(Freshness::Strict).unwrap();
    let seen = look_kinds(&mut volume);
    assert_eq!(seen, [0o010_000, 0o040_000, 0o100_000, 0o120_000]);
    assert!(
        !volume
            .readdir(ROOT, 0, usize::MAX)
            .unwrap()
            .iter()
            .any(|entry| entry.name == b"not fsynced")
    );
    assert!(machine.disk.files().contains_key(&File::Segment(0)));
}

fn look_kinds(volume: &mut Volume) -> Vec<u32> {
    let large = volume.lookup(ROOT, "späße".as_bytes()).unwrap();
    assert_eq!(large.size, (1 << 30) + 12);
    let mut kinds: Vec<u32> = volume
        .readdir(ROOT, 0, usize::MAX)
        .unwrap()
        .iter()
        .map(|entry| entry.kind)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
