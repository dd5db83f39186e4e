#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod attacks;
mod crashes;
mod refusals;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use casemate_volume::anchor::Durability;
use casemate_volume::{Error, Freshness, New, ROOT, Roots, Shared, Volume, VolumeKey};

use super::{Files, Rekeyed, Rekeying, rekey};
use crate::{AnchorFile, Failure, Place, export};

const NEW_FILE: New = New {
    mode: 0o100_644,
    uid: 0,
    gid: 0,
    device: 0,
};

/// A volume that was written three times, with a snapshot after the first and the second.
struct Machine(tempfile::TempDir);

/// All files of a volume and of its snapshots: snapshot, name, content.
type Content = BTreeMap<(String, String), Vec<u8>>;

impl Machine {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        this.old().create(Roots::Hash, Some(32 << 20), None).unwrap();
        for round in 1..=3u8 {
            this.write(&this.old(), "common", round);
            this.write(&this.old(), &format!("file-{round}"), round);
            if round < 3 {
                let mut volume = this.old().write(Freshness::Strict).unwrap();
                volume.create_snapshot(format!("snapshot-{round}").as_bytes()).unwrap();
                volume.unmount().unwrap();
            }
        }
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn place(&self, key: u8) -> Place {
        Place {
            folder: self.path("V"),
            key: VolumeKey::new([key; 32]),
            anchor: Some(AnchorFile {
                file: self.path("A"),
                durability: Durability::Durable,
            }),
            keeps_reads: false,
        }
    }

    fn old(&self) -> Place {
        self.place(1)
    }

    fn new_one(&self) -> Place {
        self.place(2)
    }

    fn sides(&self) -> Files {
        Files::new(self.old(), Freshness::Strict, VolumeKey::new([2; 32])).unwrap()
    }

    fn rekey(&self) -> Result<Rekeyed, Failure> {
        rekey(&self.sides(), &self.path("V"), &mut |_, _| ControlFlow::Continue(()))
    }

    fn write(&self, place: &Place, name: &str, byte: u8) {
        let mut volume = place.write(Freshness::Strict).unwrap();
        let found = volume.lookup(ROOT, name.as_bytes());
        let inode = found.or_else(|_| volume.create_file(ROOT, name.as_bytes(), NEW_FILE));
        volume.write(inode.unwrap().inode, 0, &[byte; 400_000]).unwrap();
        volume.unmount().unwrap();
    }

    fn content(&self, place: &Place) -> Content {
        let mut content = Content::new();
        let snapshots = place.read(Freshness::Strict).unwrap().snapshots().unwrap();
        let names = snapshots
            .iter()
            .map(|snapshot| String::from_utf8_lossy(&snapshot.name).into_owned());
        for name in names.chain([String::new()]) {
            let mut volume = place.read(Freshness::Strict).unwrap();
            if !name.is_empty() {
                volume.show_snapshot(name.as_bytes()).unwrap();
            }
            let target = tempfile::tempdir().unwrap();
            let files = target.path().join("files");
            export(&shared(volume), &files, false, &mut |_, _| ControlFlow::Continue(())).unwrap();
            for entry in fs::read_dir(files).unwrap() {
                let entry = entry.unwrap();
                let file = entry.file_name().into_string().unwrap();
                content.insert((name.clone(), file), fs::read(entry.path()).unwrap());
            }
        }
        content
    }

    /// The volume is the new one, whole, and nothing of a rekeying is left.
    fn check_new(&self, content: &Content) {
        assert_eq!(self.content(&self.new_one()), *content);
        self.new_one().read(Freshness::Strict).unwrap().verify().unwrap();
        assert!(self.old().read(Freshness::Strict).is_err());
        let mut names: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["A", "V"]);
        assert!(!self.path("V").join("rekey").exists());
    }
}

fn shared(volume: Volume) -> Shared {
    Shared::new(volume, Box::new(|_| {}))
}

#[test]
fn every_file_and_snapshot_is_there_under_the_new_key_and_nothing_under_the_old_one() {
    let machine = Machine::new();
    let content = machine.content(&machine.old());
    assert_eq!(content.len(), 2 + 3 + 4);
    let before = machine.old().read(Freshness::Strict).unwrap();
    let (identity, form) = (before.identity(), before.form());
    let rekeyed = machine.rekey().unwrap();
    assert_eq!((rekeyed.snapshots, rekeyed.finished), (2, false));
    assert_ne!(rekeyed.volume, identity);
    machine.check_new(&content);
    assert_eq!(machine.new_one().read(Freshness::Strict).unwrap().form(), form);
    assert!(machine.old().read(Freshness::None).is_err());
    machine.write(&machine.new_one(), "more", 9);
}

#[test]
fn snapshots_keep_the_time_at_which_they_were_taken() {
    let machine = Machine::new();
    let taken = |place: Place| -> Vec<_> {
        let snapshots = place.read(Freshness::Strict).unwrap().snapshots().unwrap();
        snapshots
            .into_iter()
            .map(|snapshot| (snapshot.name, snapshot.taken))
            .collect()
    };
    let before = taken(machine.old());
    machine.rekey().unwrap();
    assert_eq!(taken(machine.new_one()), before);
}

#[test]
fn folder_and_anchor_keep_their_modes() {
    let machine = Machine::new();
    fs::set_permissions(machine.path("V"), fs::Permissions::from_mode(0o710)).unwrap();
    fs::set_permissions(machine.path("A"), fs::Permissions::from_mode(0o640)).unwrap();
    machine.rekey().unwrap();
    for (name, mode) in [("V", 0o710), ("A", 0o640)] {
        let found = fs::metadata(machine.path(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
}

#[test]
fn who_asks_again_is_told_that_it_is_done() {
    let machine = Machine::new();
    let content = machine.content(&machine.old());
    let first = machine.rekey().unwrap();
    let again = machine.rekey().unwrap();
    assert_eq!((again.volume, again.snapshots, again.finished), (first.volume, 2, true));
    machine.check_new(&content);
}

#[test]
fn it_tells_how_far_it_is_and_never_goes_back() {
    let machine = Machine::new();
    let mut told = Vec::new();
    rekey(&machine.sides(), &machine.path("V"), &mut |done, total| {
        told.push((done, total));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(told.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{told:?}");
    assert!(told.iter().all(|(done, total)| done <= total && *total == told[0].1));
}
