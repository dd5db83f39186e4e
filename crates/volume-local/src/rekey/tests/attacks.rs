//! What root on the host can do to the folders, with the anchor out of reach.

use std::path::Path;

use casemate_volume::Anchor;
use casemate_volume::anchor::{InsecureFile, Record};

use super::super::Sides;
use super::*;
use casemate_volume::Form;

fn copied(machine: &Machine, from: &str, to: &str) {
    fs::create_dir(machine.path(to)).unwrap();
    for entry in fs::read_dir(machine.path(from)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), machine.path(to).join(entry.file_name())).unwrap();
    }
}

/// Everything is written anew, and nothing is committed.
fn written(machine: &Machine, and: impl FnOnce(&Rekeying<'_>, &Volume)) {
    let sides = machine.sides();
    let rekeying = Rekeying::new(&sides, &machine.path("V")).unwrap();
    let old = rekeying.take_old().unwrap();
    let (old, _) = rekeying.write_anew(old, &mut |_, _| ControlFlow::Continue(())).unwrap();
    and(&rekeying, &old);
}

#[test]
fn the_old_folder_put_back_is_refused_under_both_keys() {
    let machine = Machine::new();
    copied(&machine, "V", "kept");
    machine.rekey().unwrap();
    fs::remove_dir_all(machine.path("V")).unwrap();
    copied(&machine, "kept", "V");
    let old = machine.old().read(Freshness::Strict).unwrap_err();
    assert!(matches!(old, Failure::Volume(Error::WrongVolume { .. })), "{old}");
    let new = machine.new_one().read(Freshness::Strict).unwrap_err();
    assert!(matches!(new, Failure::Volume(Error::Tampered { .. })), "{new}");
    let again = machine.rekey().unwrap_err();
    assert!(matches!(again, Failure::Volume(Error::WrongVolume { .. })), "{again}");
    assert!(machine.path("V").join("superblock").exists());
}

#[test]
fn a_new_folder_that_is_thrown_away_before_the_commit_changes_nothing() {
    let machine = Machine::new();
    let content = machine.content(&machine.old());
    written(&machine, |_, _| fs::remove_dir_all(machine.path("V.rekey")).unwrap());
    assert_eq!(machine.content(&machine.old()), content);
    // The anchor that was made for it stays, out of the host's reach: nobody deletes what he does not know.
    let refused = machine.rekey().unwrap_err();
    assert!(refused.to_string().contains("A.rekey is there"), "{refused}");
    fs::remove_file(machine.path("A.rekey")).unwrap();
    machine.rekey().unwrap();
    machine.check_new(&content);
}

#[test]
fn a_new_folder_that_is_thrown_away_after_the_commit_is_missed_and_the_old_one_stays() {
    let machine = Machine::new();
    written(&machine, |rekeying, old| rekeying.commit(old).unwrap());
    fs::remove_dir_all(machine.path("V.rekey")).unwrap();
    assert!(matches!(
        machine.rekey(),
        Err(Failure::Volume(Error::WrongVolume { .. }))
    ));
    assert!(machine.path("V").join("segment-00000000").exists());
}

#[test]
fn what_an_earlier_attempt_wrote_does_not_take_the_place_of_the_new_volume() {
    let machine = Machine::new();
    written(&machine, |_, _| copied(&machine, "V.rekey", "first"));
    written(&machine, |rekeying, old| {
        rekeying.commit(old).unwrap();
        copied(&machine, "V.rekey", "genuine");
        fs::remove_dir_all(machine.path("V.rekey")).unwrap();
        copied(&machine, "first", "V.rekey");
    });
    let refused = machine.rekey().unwrap_err();
    assert!(matches!(refused, Failure::Interrupted { .. }), "{refused}");
    assert!(machine.path("V").join("superblock").exists());
    fs::remove_dir_all(machine.path("V.rekey")).unwrap();
    copied(&machine, "genuine", "V.rekey");
    assert!(machine.rekey().unwrap().finished);
}

#[test]
fn an_older_state_of_the_new_volume_is_not_committed() {
    let machine = Machine::new();
    let content = machine.content(&machine.old());
    let changed = Rekeying::new(&machine.sides(), &machine.path("V")).map(|rekeying| {
        let old = rekeying.take_old().unwrap();
        let mut tampered = false;
        let outcome = rekeying.write_anew(old, &mut |done, total| {
            if done > total / 2 && !tampered {
                // Read back: a byte that the host changed is found before anything is given up.
                tampered = true;
                let segment = machine.path("V.rekey").join("segment-00000000");
                let bytes: Vec<u8> = fs::read(&segment).unwrap().iter().map(|byte| byte ^ 1).collect();
                fs::write(segment, bytes).unwrap();
            }
            ControlFlow::Continue(())
        });
        outcome.map(drop).unwrap_err()
    });
    let refused = changed.unwrap();
    assert!(matches!(refused, Failure::Volume(Error::Tampered { .. })), "{refused}");
    assert_eq!(machine.content(&machine.old()), content);
}

/// After the anchor gave way, the host lets nothing be exchanged.
struct Hindered<'m>(Files, &'m Machine);

impl Sides for Hindered<'_> {
    fn committed(&self, folder: &Path) -> Result<Volume, Failure> {
        self.0.committed(folder)
    }

    fn is_for_good(&self) -> bool {
        self.0.is_for_good()
    }

    fn write_old(&self, folder: &Path) -> Result<Volume, Failure> {
        self.0.write_old(folder)
    }

    fn forget(&self, attempted: bool) -> Result<(), Failure> {
        self.0.forget(attempted)
    }

    fn create(&self, folder: &Path, form: &Form) -> Result<(), Failure> {
        self.0.create(folder, form)
    }

    fn write_new(&self, folder: &Path) -> Result<Volume, Failure> {
        self.0.write_new(folder)
    }

    fn read_new(&self, folder: &Path) -> Result<Volume, Failure> {
        self.0.read_new(folder)
    }

    fn commit(&self, old: &Volume) -> Result<(), Failure> {
        self.0.commit(old)?;
        fs::rename(self.1.path("V.rekey"), self.1.path("elsewhere")).unwrap();
        Ok(())
    }
}

#[test]
fn what_cannot_be_exchanged_after_the_commit_says_that_the_new_key_counts() {
    let machine = Machine::new();
    let content = machine.content(&machine.old());
    let hindered = Hindered(machine.sides(), &machine);
    let refused = rekey(&hindered, &machine.path("V"), &mut |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(refused, Failure::Unfinished(_)), "{refused}");
    assert!(refused.to_string().contains("run the same command again"), "{refused}");
    fs::rename(machine.path("elsewhere"), machine.path("V.rekey")).unwrap();
    assert!(machine.rekey().unwrap().finished);
    machine.check_new(&content);
}

#[test]
fn a_writer_that_took_the_volume_meanwhile_keeps_it() {
    let machine = Machine::new();
    written(&machine, |rekeying, old| {
        let mut anchor = InsecureFile::open(&machine.path("A"), Durability::Durable).unwrap();
        let record = anchor.read().unwrap();
        let taken = Record {
            fence: record.fence + 1,
            ..record
        };
        assert_eq!(anchor.compare_and_set(&record, &taken).unwrap(), Ok(()));
        let refused = rekeying.commit(old).unwrap_err();
        assert!(matches!(refused, Failure::Volume(Error::Fenced(_))), "{refused}");
        assert_eq!(anchor.read().unwrap(), taken);
    });
    assert!(machine.old().read(Freshness::Strict).is_ok());
}
