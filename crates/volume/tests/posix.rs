//! What POSIX says of names, links and times; permissions are the front's.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use casemate_volume::{Attributes, Error, Freshness, New, ROOT, Rename, Volume};
use support::{Machine, SMALL};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

/// A volume with an empty file, an empty directory, and a directory that holds a directory.
fn volume() -> Volume {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    volume.create_file(ROOT, b"file", NEW).unwrap();
    volume.mkdir(ROOT, b"empty", NEW).unwrap();
    let full = volume.mkdir(ROOT, b"full", NEW).unwrap().inode;
    volume.mkdir(full, b"below", NEW).unwrap();
    volume
}

fn inode(volume: &mut Volume, name: &[u8]) -> u64 {
    volume.lookup(ROOT, name).unwrap().inode
}

/// An act on a volume, its name, and the error number that it ends with (errno(3)).
type Refused = (&'static str, fn(&mut Volume) -> Result<(), Error>, i32);

const REFUSED: &[Refused] = &[
    ("a second name for a directory", |volume| link(volume, b"empty"), 1),
    ("unlink of a directory", |volume| volume.unlink(ROOT, b"empty"), 21),
    ("rmdir of a file", |volume| volume.rmdir(ROOT, b"file"), 20),
    (
        "rmdir of a directory that holds one",
        |volume| volume.rmdir(ROOT, b"full"),
        39,
    ),
    ("unlink of nothing", |volume| volume.unlink(ROOT, b"none"), 2),
    ("a name below a file", |volume| create_below(volume, b"file"), 20),
    (
        "a file over a directory",
        |volume| rename(volume, b"file", b"empty"),
        21,
    ),
    (
        "a directory over a file",
        |volume| rename(volume, b"empty", b"file"),
        20,
    ),
    (
        "a directory over one that holds one",
        |volume| rename(volume, b"empty", b"full"),
        39,
    ),
    (
        "a directory into itself",
        |volume| move_below(volume, b"full", b"full"),
        22,
    ),
    (
        "a file below a file",
        |volume| move_below(volume, b"empty", b"file"),
        20,
    ),
    ("rename of nothing", |volume| rename(volume, b"none", b"file"), 2),
];

fn link(volume: &mut Volume, name: &[u8]) -> Result<(), Error> {
    let inode = inode(volume, name);
    volume.link(inode, ROOT, b"second").map(drop)
}

fn create_below(volume: &mut Volume, name: &[u8]) -> Result<(), Error> {
    let inode = inode(volume, name);
    volume.create_file(inode, b"below", NEW).map(drop)
}

fn rename(volume: &mut Volume, from: &[u8], to: &[u8]) -> Result<(), Error> {
    volume.rename((ROOT, from), (ROOT, to), Rename::Replace)
}

fn move_below(volume: &mut Volume, name: &[u8], into: &[u8]) -> Result<(), Error> {
    let into = inode(volume, into);
    volume.rename((ROOT, name), (into, b"moved"), Rename::Replace)
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    for (what, act, errno) in REFUSED {
        let mut volume = volume();
        let before = (volume.attributes(ROOT).unwrap(), volume.readdir(ROOT, 0, 99).unwrap());
        assert_eq!(act(&mut volume).unwrap_err().errno(), *errno, "{what}");
        let after = (volume.attributes(ROOT).unwrap(), volume.readdir(ROOT, 0, 99).unwrap());
        assert_eq!(before, after, "{what}");
        volume.sync().unwrap();
    }
}

#[test]
fn a_directory_counts_the_directories_below_it() {
    let mut volume = volume();
    let full = inode(&mut volume, b"full");
    let links = |volume: &mut Volume| (links(volume, ROOT), links(volume, full));
    assert_eq!(links(&mut volume), (4, 3));
    volume
        .rename((full, b"below"), (ROOT, b"below"), Rename::Replace)
        .unwrap();
    assert_eq!(links(&mut volume), (5, 2));
    rename(&mut volume, b"below", b"empty").unwrap();
    assert_eq!(links(&mut volume), (4, 2));
    volume
        .rename((ROOT, b"empty"), (ROOT, b"file"), Rename::Exchange)
        .unwrap();
    assert_eq!(links(&mut volume), (4, 2));
    volume.rmdir(ROOT, b"file").unwrap();
    assert_eq!(links(&mut volume), (3, 2));
}

fn links(volume: &mut Volume, inode: u64) -> u32 {
    volume.attributes(inode).unwrap().links
}

#[test]
fn two_names_of_one_inode_stay_two_when_one_is_renamed_to_the_other() {
    let mut volume = volume();
    let file = inode(&mut volume, b"file");
    volume.link(file, ROOT, b"second").unwrap();
    let before = volume.attributes(file).unwrap();
    rename(&mut volume, b"file", b"second").unwrap();
    assert_eq!(volume.lookup(ROOT, b"file").unwrap(), before);
    assert_eq!(volume.lookup(ROOT, b"second").unwrap(), before);
    assert_eq!(before.links, 2);
}

/// An act, and whether it changes a name of the root directory.
type Act = (&'static str, fn(&mut Volume, u64), bool);

const ACTS: &[Act] = &[
    (
        "link",
        |volume, file| _ = volume.link(file, ROOT, b"third").unwrap(),
        true,
    ),
    ("unlink", |volume, _| volume.unlink(ROOT, b"second").unwrap(), true),
    ("rename", |volume, _| rename(volume, b"file", b"other").unwrap(), true),
    (
        "replaced",
        |volume, _| rename(volume, b"plain", b"second").unwrap(),
        true,
    ),
    (
        "attribute",
        |volume, file| volume.set_attribute(file, b"user.a", b"1", None).unwrap(),
        false,
    ),
];

#[test]
fn the_times_that_an_act_changes_are_newer_even_while_writes_wait() {
    for (what, act, names) in ACTS {
        for waiting in [false, true] {
            let mut volume = volume();
            let file = inode(&mut volume, b"file");
            volume.link(file, ROOT, b"second").unwrap();
            volume.create_file(ROOT, b"plain", NEW).unwrap();
            if waiting {
                volume.write(file, 0, &[1; 5000]).unwrap();
            }
            let (before, root) = both(&mut volume, file);
            act(&mut volume, file);
            for _ in 0..2 {
                let (after, root_after) = both(&mut volume, file);
                assert!(after.changed > before.changed, "{what}, {waiting}");
                assert_eq!(after.modified, before.modified, "{what}, {waiting}");
                assert_eq!(root_after.modified > root.modified, *names, "{what}, {waiting}");
                assert_eq!(root_after.changed > root.changed, *names, "{what}, {waiting}");
                volume.sync().unwrap();
            }
        }
    }
}

fn both(volume: &mut Volume, file: u64) -> (Attributes, Attributes) {
    (volume.attributes(file).unwrap(), volume.attributes(ROOT).unwrap())
}
