//! Volumes that are written and read for ever, byte for byte.

use std::fmt::Write as _;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use casemate_volume::anchor::State;
use casemate_volume::{Error, Freshness, New, ROOT, Volume};

use super::Machine;
use super::disk::{Disk, Files};
use super::model::SYMLINK;

pub const FILE: New = New {
    mode: 0o100_640,
    uid: 1000,
    gid: 100,
    device: 0,
};

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
        hex(&machine.key),
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
    writeln!(text, "  \"lengths\": {{{}}},", lengths.join(", ")).unwrap();
    if let Some(origin) = volume.origin().unwrap() {
        let (of, generation, whole) = (hex(&origin.volume), origin.generation, origin.whole);
        writeln!(
            text,
            "  \"origin\": {{\"volume\": \"{of}\", \"generation\": {generation}, \"whole\": {whole}}},"
        )
        .unwrap();
    }
    if volume.check_finished().is_ok() {
        let entries = entries(&mut volume, ROOT, "").join(",\n");
        write!(text, "  \"entries\": [\n{entries}\n  ],\n").unwrap();
    }
    text.push_str("  \"snapshots\": [\n");
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

/// Holds what a machine wrote against the vector of a name, or writes that anew.
pub fn check(name: &str, machine: &Machine) {
    let (folder, files) = (folder(name), machine.disk.files());
    if std::env::var_os("CASEMATE_WRITE_VECTORS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("volume.json"), description(machine)).unwrap();
        for (file, bytes) in &files {
            std::fs::write(folder.join(file.name()), cut(bytes)).unwrap();
        }
    }
    let text = std::fs::read_to_string(folder.join("volume.json")).unwrap();
    assert_eq!(text, description(machine), "the description");
    let mut stored = Files::new();
    for (file, bytes) in &files {
        let mut held = std::fs::read(folder.join(file.name())).unwrap();
        assert_eq!(held, cut(bytes), "{file}: this release would write other bytes");
        held.resize(bytes.len(), 0);
        stored.insert(*file, held);
    }
    opens(stored, machine);
}

/// The stored files can be read, and written on; of an unfinished copy, its snapshots.
fn opens(stored: Files, truth: &Machine) {
    let record = truth.anchor.record();
    assert_eq!(record.state, State::Active);
    let mut expected = truth.mount_for_reading(Freshness::Strict).unwrap();
    let mut machine = Machine {
        key: truth.key,
        ..Machine::of(Disk::of(stored), record)
    };
    let mut volume = machine.mount_for_reading(Freshness::Strict).unwrap();
    if expected.check_finished().is_err() {
        assert!(matches!(volume.verify(), Err(Error::Unfinished)));
        assert_eq!(volume.snapshots().unwrap(), expected.snapshots().unwrap());
        return;
    }
    volume.verify().unwrap();
    let listed = |volume: &mut Volume| volume.readdir(ROOT, 0, usize::MAX).unwrap();
    assert_eq!(listed(&mut volume), listed(&mut expected));
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    volume.create_file(ROOT, b"new", FILE).unwrap();
    volume.unmount().unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    volume.lookup(ROOT, b"new").unwrap();
    volume.verify().unwrap();
}
