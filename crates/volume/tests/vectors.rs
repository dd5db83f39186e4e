//! The volumes in spec/vectors/volume: format version 1, which every release reads.
//!
//! CASEMATE_WRITE_VECTORS=1 writes them anew; that is right only while version 1 is not released.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::fmt::Write as _;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use casemate_volume::anchor::{Record, State};
use casemate_volume::host::File;
use casemate_volume::{Error, Form, Freshness, New, ROOT, Roots, Volume};
use support::disk::{Disk, Files};
use support::model::{SYMLINK, bytes};
use support::{KEY, Machine};

const FILE: New = New {
    mode: 0o100_640,
    uid: 1000,
    gid: 100,
    device: 0,
};
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

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors/volume")
        .join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// What a reader must find, for readers in any language.
fn description(machine: &Machine) -> String {
    let record = machine.anchor.record();
    let mut volume = machine.mount_for_reading(Freshness::Strict).unwrap();
    let mut text = format!(
        "{{\n  \"key\": \"{}\",\n  \"anchor\": {{\"volume\": \"{}\", \"generation\": {}, \"root\": \"{}\", \"fence\": {}}},\n",
        hex(&KEY),
        hex(&record.volume),
        record.generation,
        hex(&record.root),
        record.fence
    );
    let lengths: Vec<String> = machine
        .disk
        .files()
        .iter()
        .map(|(file, bytes)| format!("\"{file}\": {}", bytes.len()))
        .collect();
    write!(text, "  \"lengths\": {{{}}},\n  \"entries\": [\n", lengths.join(", ")).unwrap();
    text.push_str(&entries(&mut volume, ROOT, "").join(",\n"));
    text.push_str("\n  ],\n  \"snapshots\": [\n");
    let snapshots: Vec<String> = volume
        .snapshots()
        .unwrap()
        .iter()
        .map(|snapshot| {
            let mut reader = machine.mount_for_reading(Freshness::Strict).unwrap();
            reader.show_snapshot(&snapshot.name).unwrap();
            let name = String::from_utf8(snapshot.name.clone()).unwrap();
            let (generation, entries) = (snapshot.generation, entries(&mut reader, ROOT, "").join(",\n"));
            format!("    {{\"name\": \"{name}\", \"generation\": {generation}, \"entries\": [\n{entries}\n    ]}}")
        })
        .collect();
    text.push_str(&snapshots.join(",\n"));
    text.push_str("\n  ]\n}\n");
    text
}

fn entries(volume: &mut Volume, directory: u64, path: &str) -> Vec<String> {
    let mut found = volume.readdir(directory, 0, usize::MAX).unwrap();
    found.sort_by(|first, second| first.name.cmp(&second.name));
    let mut lines = Vec::new();
    for entry in found {
        let path = format!("{path}/{}", String::from_utf8(entry.name).unwrap());
        lines.push(line(volume, entry.inode, &path));
        if entry.kind == 0o040_000 {
            lines.extend(entries(volume, entry.inode, &path));
        }
    }
    lines
}

fn line(volume: &mut Volume, inode: u64, path: &str) -> String {
    let found = volume.attributes(inode).unwrap();
    let mut line = format!(
        "    {{\"path\": \"{path}\", \"mode\": \"{:o}\", \"links\": {}, \"size\": {}",
        found.mode, found.links, found.size
    );
    if found.mode & 0o170_000 == SYMLINK {
        write!(
            line,
            ", \"target\": \"{}\"",
            String::from_utf8(volume.readlink(inode).unwrap()).unwrap()
        )
        .unwrap();
    } else if found.size > 0 && found.size < 1 << 20 {
        let mut content = vec![0; found.size as usize];
        volume.read(inode, 0, &mut content).unwrap();
        write!(line, ", \"sha256\": \"{}\"", hex(digest(&SHA256, &content).as_ref())).unwrap();
    }
    for name in volume.attribute_names(inode).unwrap() {
        let value = String::from_utf8(volume.attribute(inode, &name).unwrap()).unwrap();
        write!(
            line,
            ", \"attributes\": {{\"{}\": \"{value}\"}}",
            String::from_utf8(name).unwrap()
        )
        .unwrap();
    }
    line + "}"
}

/// A file without the zeros at its end.
fn cut(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn check(name: &str, roots: Roots) {
    let machine = make(roots);
    let (folder, files) = (folder(name), machine.disk.files());
    if std::env::var_os("CASEMATE_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("volume.json"), description(&machine)).unwrap();
        for (file, bytes) in &files {
            std::fs::write(folder.join(file.name()), cut(bytes)).unwrap();
        }
    }
    let text = std::fs::read_to_string(folder.join("volume.json")).unwrap();
    assert_eq!(text, description(&machine), "the description");
    let mut stored = Files::new();
    for (file, bytes) in &files {
        let mut held = std::fs::read(folder.join(file.name())).unwrap();
        assert_eq!(held, cut(bytes), "{file}: this release would write other bytes");
        held.resize(bytes.len(), 0);
        stored.insert(*file, held);
    }
    opens(stored, machine.anchor.record(), &machine);
}

/// The stored files can be read, and written on.
fn opens(stored: Files, record: Record, truth: &Machine) {
    assert_eq!(record.state, State::Active);
    let expected = truth
        .mount_for_reading(Freshness::Strict)
        .unwrap()
        .readdir(ROOT, 0, usize::MAX)
        .unwrap();
    let mut machine = Machine::of(Disk::of(stored), record);
    let mut volume = machine.mount_for_reading(Freshness::Strict).unwrap();
    volume.verify().unwrap();
    assert_eq!(volume.readdir(ROOT, 0, usize::MAX).unwrap(), expected);
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    volume.create_file(ROOT, b"new", FILE).unwrap();
    volume.unmount().unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    volume.lookup(ROOT, b"new").unwrap();
    volume.verify().unwrap();
}

#[test]
fn version_1_with_tag_roots_is_written_and_read_for_ever() {
    check("tag", Roots::Tag);
}

#[test]
fn version_1_with_hash_roots_is_written_and_read_for_ever() {
    check("hash", Roots::Hash);
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
