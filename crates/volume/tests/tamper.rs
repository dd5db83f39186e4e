//! Whatever the host does to its files, nothing but what was written is ever served.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::collections::BTreeMap;

use casemate_volume::anchor::{Record, State};
use casemate_volume::host::File;
use casemate_volume::{Error, Form, Freshness, New, ROOT, Roots, Volume, VolumeKey};
use support::disk::{Disk, Files};
use support::model::{Seen, look};
use support::{KEY, Machine};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};
const BLOCK: usize = 4096;
const TINY: Form = Form {
    roots: Roots::Tag,
    capacity: 64 * 4096,
    log: 64 * 4096,
};

/// What a volume has on the host: groups behind the checkpoint, and blocks that the checkpoint refers to.
struct Written {
    groups: usize,
    blocks: usize,
}

/// Two files in the tree, one of them in an extent, and a third only in the log.
fn populate(machine: &mut Machine) -> Written {
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let small = volume.create_file(ROOT, b"small secret name", NEW).unwrap().inode;
    let large = volume.create_file(ROOT, b"large", NEW).unwrap().inode;
    volume.write(small, 0, b"small secret content").unwrap();
    volume.write(large, 0, &[0x5a; 20_000]).unwrap();
    volume.sync().unwrap();
    let (before, statistics) = (volume.status().sequence, volume.statistics());
    let logged = volume.create_file(ROOT, b"logged", NEW).unwrap().inode;
    volume.write(logged, 0, &[0xa5; 3000]).unwrap();
    volume.fsync(logged).unwrap();
    Written {
        groups: (volume.status().sequence - before) as usize,
        blocks: (statistics.blocks - statistics.free) as usize,
    }
}

fn machine(form: &Form) -> (Machine, Written) {
    let mut machine = Machine::new();
    machine.create(form).unwrap();
    let written = populate(&mut machine);
    (machine, written)
}

/// What a reader gets from these files.
fn read(files: Files, record: Record) -> Result<BTreeMap<Vec<u8>, Seen>, Error> {
    examine(&Machine::of(Disk::of(files), record))
}

fn examine(machine: &Machine) -> Result<BTreeMap<Vec<u8>, Seen>, Error> {
    let mut volume = machine.mount_for_reading(Freshness::Strict)?;
    volume.verify()?;
    look(&mut volume)
}

fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::Tampered { .. } | Error::RolledBack { .. } | Error::WrongVolume { .. } | Error::Unsupported { .. }
    )
}

/// Every `step`th byte where it matters, and fewer of the rest; with CASEMATE_LONG=1 every byte.
fn mutate_everything(form: &Form, step: usize) {
    let (machine, written) = machine(form);
    let step = if std::env::var_os("CASEMATE_LONG").is_some() {
        0
    } else {
        step
    };
    let truth = examine(&machine).unwrap();
    let (mut refused, mut irrelevant) = (0, 0);
    for (file, bytes) in &machine.disk.files() {
        for (offset, byte) in bytes.iter().enumerate() {
            let empty = bytes[offset / BLOCK * BLOCK..][..BLOCK].iter().all(|byte| *byte == 0);
            if step > 0 && offset % if empty { 61 } else { step } != 0 {
                continue;
            }
            machine.disk.poke(*file, offset, byte ^ 1 << (offset % 8));
            match examine(&machine) {
                Ok(seen) => {
                    assert_eq!(seen, truth, "{file}, byte {offset}");
                    irrelevant += 1;
                }
                Err(error) if is_refusal(&error) => refused += 1,
                Err(error) => panic!("{file}, byte {offset}: {error}"),
            }
            machine.disk.poke(*file, offset, *byte);
        }
    }
    println!("{refused} mutations refused, {irrelevant} of bytes that nothing refers to");
    // One slot, the blocks in use, and the groups behind the checkpoint, one block each: every byte of them.
    let expected = (1 + written.blocks + written.groups) * BLOCK;
    assert_eq!(
        refused,
        expected.div_ceil(step.max(1)),
        "each byte that something refers to"
    );
}

#[test]
fn each_changed_byte_is_refused_or_irrelevant_with_tag_roots() {
    mutate_everything(&TINY, 1);
}

#[test]
fn each_changed_byte_is_refused_or_irrelevant_with_hash_roots() {
    mutate_everything(
        &Form {
            roots: Roots::Hash,
            ..TINY
        },
        8,
    );
}

#[test]
fn swapped_blocks_are_refused() {
    let (machine, _) = machine(&TINY);
    let truth = examine(&machine).unwrap();
    let files = machine.disk.files();
    let segment = &files[&File::Segment(0)];
    let mut refused = 0;
    for first in 0..segment.len() / BLOCK {
        for second in 0..first {
            let mut swapped = segment.clone();
            swapped[first * BLOCK..][..BLOCK].copy_from_slice(&segment[second * BLOCK..][..BLOCK]);
            swapped[second * BLOCK..][..BLOCK].copy_from_slice(&segment[first * BLOCK..][..BLOCK]);
            let files = Files::from_iter(files.clone().into_iter().chain([(File::Segment(0), swapped)]));
            match read(files, machine.anchor.record()) {
                Ok(seen) => assert_eq!(seen, truth),
                Err(error) => {
                    assert!(matches!(error, Error::Tampered { .. }), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100);
}

#[test]
fn an_older_complete_copy_is_refused() {
    let (mut machine, _) = machine(&TINY);
    let old = machine.disk.files();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    volume.unlink(ROOT, b"large").unwrap();
    volume.unmount().unwrap();
    let refused = read(old, machine.anchor.record()).unwrap_err();
    assert!(
        matches!(&refused, Error::RolledBack { got, .. } if got == "generation 2"),
        "{refused}"
    );
}

#[test]
fn an_older_copy_within_a_generation_is_refused() {
    let (mut machine, _) = machine(&TINY);
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    volume.sync().unwrap();
    let old = machine.disk.files();
    volume.unlink(ROOT, b"large").unwrap();
    volume.fsync(ROOT).unwrap();
    drop(volume);
    let refused = read(old, machine.anchor.record()).unwrap_err();
    assert!(
        matches!(&refused, Error::RolledBack { got, .. } if got.contains("log that ends at group")),
        "{refused}"
    );
}

#[test]
fn a_log_that_ends_before_the_anchored_head_is_refused() {
    let (machine, _) = machine(&TINY);
    let mut files = machine.disk.files();
    files.get_mut(&File::Log).unwrap().fill(0);
    let refused = read(files.clone(), machine.anchor.record()).unwrap_err();
    assert!(
        matches!(&refused, Error::RolledBack { got, .. } if got.contains("log that ends at group")),
        "{refused}"
    );
    files.get_mut(&File::Log).unwrap().truncate(100);
    let refused = read(files, machine.anchor.record()).unwrap_err();
    assert!(
        matches!(&refused, Error::Tampered { what, .. } if what.contains("log")),
        "{refused}"
    );
}

#[test]
fn one_file_of_an_older_state_is_refused() {
    let (mut machine, _) = machine(&TINY);
    let old = machine.disk.files();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    for name in [b"one", b"two"] {
        let file = volume.create_file(ROOT, name, NEW).unwrap().inode;
        volume.write(file, 0, &[1; 5000]).unwrap();
        volume.sync().unwrap();
    }
    let file = volume.lookup(ROOT, b"one").unwrap().inode;
    volume.write(file, 0, b"!").unwrap();
    volume.fsync(file).unwrap();
    drop(volume);
    let new = machine.disk.files();
    for file in [File::Superblock, File::Log, File::Segment(0)] {
        let files = Files::from_iter(new.clone().into_iter().chain([(file, old[&file].clone())]));
        let refused = read(files, machine.anchor.record()).unwrap_err();
        assert!(is_refusal(&refused), "{file}: {refused}");
    }
}

#[test]
fn an_empty_folder_is_refused() {
    let (machine, _) = machine(&TINY);
    let refused = read(Files::new(), machine.anchor.record()).unwrap_err();
    assert!(
        matches!(&refused, Error::RolledBack { got, .. } if got.contains("no superblock")),
        "{refused}"
    );
}

#[test]
fn a_missing_or_shortened_segment_is_refused() {
    let (machine, _) = machine(&TINY);
    for length in [None, Some(0), Some(BLOCK)] {
        let mut files = machine.disk.files();
        let segment = files.remove(&File::Segment(0)).unwrap();
        length.map(|length| files.insert(File::Segment(0), segment[..length].to_vec()));
        let refused = read(files, machine.anchor.record()).unwrap_err();
        assert!(
            matches!(&refused, Error::Tampered { what, .. } if what.contains("cut short")),
            "{refused}"
        );
    }
}

#[test]
fn the_files_of_another_volume_are_refused() {
    let (first, _) = machine(&TINY);
    let mut second = Machine {
        seed: 77,
        ..Machine::new()
    };
    second.create(&TINY).unwrap();
    populate(&mut second);
    let refused = read(second.disk.files(), first.anchor.record()).unwrap_err();
    assert!(matches!(refused, Error::WrongVolume { .. }), "{refused}");
}

#[test]
fn another_key_is_refused() {
    let (machine, _) = machine(&TINY);
    let refused = Volume::mount(machine.environment(), VolumeKey::new([8; 32]), Freshness::Strict).unwrap_err();
    assert!(
        matches!(
            refused,
            Error::Tampered {
                what: "the superblock",
                ..
            }
        ),
        "{refused}"
    );
}

#[test]
fn versions_and_features_of_later_releases_are_refused_by_name() {
    let (machine, _) = machine(&TINY);
    for (offset, what) in [(8, "format version"), (10, "algorithm"), (13, "feature flags")] {
        let mut files = machine.disk.files();
        let slots = files.get_mut(&File::Superblock).unwrap();
        slots[offset] ^= 0x40;
        slots[BLOCK + offset] ^= 0x40;
        match read(files, machine.anchor.record()).unwrap_err() {
            Error::Unsupported { what: named, .. } => assert_eq!(named, what),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_anchor_that_is_retired_or_was_never_used_gives_nothing() {
    let (machine, _) = machine(&TINY);
    let record = Record {
        state: State::Retired,
        ..machine.anchor.record()
    };
    assert!(matches!(
        read(machine.disk.files(), record).unwrap_err(),
        Error::Retired
    ));
    let refused = read(machine.disk.files(), Record::UNINITIALISED).unwrap_err();
    assert!(
        matches!(refused, Error::Missing("the anchor never had one")),
        "{refused}"
    );
}

#[test]
fn a_volume_is_never_made_over_another() {
    let (machine, _) = machine(&TINY);
    let refused = machine.create(&TINY).unwrap_err();
    assert!(matches!(refused, Error::Occupied("the anchor has one")), "{refused}");
    let other = Machine::of(machine.disk.clone(), Record::UNINITIALISED);
    let refused = other.create(&TINY).unwrap_err();
    assert!(matches!(refused, Error::Occupied("the folder has one")), "{refused}");
}

#[test]
fn the_host_sees_neither_names_nor_contents() {
    let (machine, _) = machine(&TINY);
    for (file, bytes) in machine.disk.files() {
        for secret in [
            b"small secret".as_slice(),
            b"large",
            b"logged",
            &[0x5a; 8],
            &[0xa5; 8],
            &KEY,
        ] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{file}");
        }
    }
}
