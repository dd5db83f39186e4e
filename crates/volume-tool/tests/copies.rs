//! A copy that is under way, and one that cannot be: what the program does not do then.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use casemate_testing::b64u;
use casemate_volume::anchor::Durability;
use casemate_volume::{CopyOf, Freshness, New, ROOT, Roots, VolumeKey};
use casemate_volume_local::{AnchorFile, Place};
use serde_json::{Value, json};

const KEY: [u8; 32] = [1; 32];

/// A child has its parent's open files, and so their locks, until it becomes its program: none starts while a volume is
/// being made here.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place(root: &Path, name: &str) -> Place {
    Place {
        folder: root.join(name),
        key: VolumeKey::new(KEY),
        anchor: Some(AnchorFile {
            file: root.join(format!("{name}.anchor")),
            durability: Durability::Lazy,
        }),
        keeps_reads: false,
    }
}

fn described(place: &Place) -> Value {
    let anchor = &place.anchor.as_ref().unwrap().file;
    json!({"folder": place.folder, "key": b64u(KEY), "anchor": {"file": anchor, "durability": "lazy"}})
}

/// A volume with a snapshot.
fn source(root: &Path) -> Place {
    let _alone = alone();
    source_of(root)
}

fn source_of(root: &Path) -> Place {
    let place = place(root, "V");
    place.clone().create(Roots::Tag, Some(4 << 20), None).unwrap();
    let mut volume = place.write(Freshness::Strict).unwrap();
    let new = New {
        mode: 0o100_600,
        uid: 0,
        gid: 0,
        device: 0,
    };
    let file = volume.create_file(ROOT, b"file", new).unwrap().inode;
    volume.write(file, 0, &[1; 100_000]).unwrap();
    volume.create_snapshot(b"one").unwrap();
    place
}

/// A copy of it that was stopped.
fn unfinished(root: &Path) -> Place {
    let _alone = alone();
    let mut source = source_of(root).read(Freshness::Strict).unwrap();
    let place = place(root, "W");
    place.clone().create(Roots::Tag, Some(4 << 20), None).unwrap();
    let mut target = place.write_copy(Freshness::Strict).unwrap();
    let stopped = target.copy(&mut source, CopyOf::default(), &mut |_, _| ControlFlow::Break(()));
    assert!(stopped.is_err());
    place
}

/// The error that a request ends with.
fn refused(request: &Value) -> (String, String) {
    let started = alone();
    let mut child = Command::new(env!("CARGO_BIN_EXE_casemate-volume"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(started);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(request.to_string().as_bytes()).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let word = |part: &str| said["error"][part].as_str().unwrap().to_owned();
    (word("code"), word("message"))
}

#[test]
fn an_unfinished_copy_is_not_exported() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("out");
    let request = json!({
        "command": "export", "volume": described(&unfinished(root.path())), "freshness": "strict",
        "target": target, "salvage": false,
    });
    assert_eq!(refused(&request).0, "unfinished");
    assert!(!target.exists());
}

#[test]
fn an_unfinished_copy_is_not_mounted_for_reading() {
    let root = tempfile::tempdir().unwrap();
    let request = json!({
        "command": "mount", "volume": described(&unfinished(root.path())), "freshness": "strict",
        "mountpoint": root.path().join("no such directory"), "read_only": true, "snapshot": null, "shared": false,
        "state": root.path().join("state"),
    });
    assert_eq!(refused(&request).0, "unfinished");
}

#[test]
fn an_increment_makes_no_volume() {
    let root = tempfile::tempdir().unwrap();
    let target = place(root.path(), "W");
    let request = json!({
        "command": "copy", "volume": described(&source(root.path())), "freshness": "strict",
        "target": described(&target), "snapshot": null, "since": "one", "capacity": 4 << 20,
    });
    let (code, message) = refused(&request);
    assert_eq!(code, "not-copied");
    assert!(message.contains("copy the whole first"), "{message}");
    assert!(!target.folder.exists());
}
