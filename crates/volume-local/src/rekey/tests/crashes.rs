//! A process that is killed after each step: the volume is the old one, or the new one, or says what finishes it.

use super::*;

/// What was done when the process died; what it had open is gone, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Died {
    WithTheOldVolume,
    WithAFolder,
    WithANewVolume,
    InTheMiddle,
    BeforeTheCommit,
    AfterTheCommit,
    AfterTheRename,
    AfterTheExchange,
    WhileDeleting,
}

const ALL: [Died; 9] = [
    Died::WithTheOldVolume,
    Died::WithAFolder,
    Died::WithANewVolume,
    Died::InTheMiddle,
    Died::BeforeTheCommit,
    Died::AfterTheCommit,
    Died::AfterTheRename,
    Died::AfterTheExchange,
    Died::WhileDeleting,
];

fn die(machine: &Machine, died: Died) {
    let sides = machine.sides();
    let rekeying = Rekeying::new(&sides, &machine.path("V")).unwrap();
    assert_eq!(rekeying.finish_earlier().unwrap(), None);
    let mut old = rekeying.take_old().unwrap();
    if died < Died::BeforeTheCommit {
        return die_early(machine, &rekeying, &mut old, died);
    }
    let (old, _) = rekeying.write_anew(old, &mut |_, _| ControlFlow::Continue(())).unwrap();
    if died >= Died::AfterTheCommit {
        rekeying.commit(&old).unwrap();
    }
    if died == Died::AfterTheRename {
        exchange(machine);
    }
    if died >= Died::AfterTheExchange {
        rekeying.sibling.exchange().unwrap();
    }
    if died == Died::WhileDeleting {
        fs::remove_file(machine.path("V.rekey").join("superblock")).unwrap();
    }
}

fn die_early(machine: &Machine, rekeying: &Rekeying<'_>, old: &mut Volume, died: Died) {
    if died >= Died::WithAFolder {
        rekeying.sibling.make().unwrap();
    }
    if died >= Died::WithANewVolume {
        rekeying.sides.create(&machine.path("V.rekey"), &old.form()).unwrap();
    }
    if died == Died::InTheMiddle {
        let mut new = rekeying.sides.write_new(&machine.path("V.rekey")).unwrap();
        let what = casemate_volume::CopyOf::default();
        assert!(new.copy(old, what, &mut |_, _| ControlFlow::Break(())).is_err());
    }
}

fn exchange(machine: &Machine) {
    let (folder, beside) = (machine.path("V"), machine.path("V.rekey"));
    let spare = machine.path("spare");
    for (from, to) in [(&folder, &spare), (&beside, &folder), (&spare, &beside)] {
        fs::rename(from, to).unwrap();
    }
}

#[test]
fn before_the_commit_it_is_the_old_volume_wholly_and_can_be_written() {
    for died in ALL.into_iter().filter(|died| *died < Died::AfterTheCommit) {
        let machine = Machine::new();
        let content = machine.content(&machine.old());
        die(&machine, died);
        assert_eq!(machine.content(&machine.old()), content, "{died:?}");
        assert!(machine.new_one().read(Freshness::Strict).is_err());
        machine.write(&machine.old(), "late", 7);
        let content = machine.content(&machine.old());
        assert!(!machine.rekey().unwrap().finished, "{died:?}");
        machine.check_new(&content);
    }
}

#[test]
fn after_the_commit_it_is_the_new_volume_or_says_what_finishes_it() {
    for died in ALL.into_iter().filter(|died| *died >= Died::AfterTheCommit) {
        let machine = Machine::new();
        let content = machine.content(&machine.old());
        die(&machine, died);
        for place in [machine.old(), machine.new_one()] {
            let refused = match (place.key.is(&VolumeKey::new([2; 32])), died) {
                (true, Died::AfterTheRename | Died::AfterTheExchange | Died::WhileDeleting) => continue,
                (_, _) => place.write(Freshness::Strict).unwrap_err(),
            };
            let told = refused.to_string();
            assert!(matches!(refused, Failure::Interrupted { .. }), "{died:?}: {told}");
            assert!(
                told.contains("casemate volume rekey") && told.contains("V.rekey"),
                "{told}"
            );
        }
        assert!(machine.rekey().unwrap().finished, "{died:?}");
        machine.check_new(&content);
    }
}

#[test]
fn what_dies_while_it_finishes_is_finished_by_the_next() {
    let machine = Machine::new();
    let content = machine.content(&machine.old());
    die(&machine, Died::AfterTheCommit);
    exchange(&machine);
    exchange(&machine);
    exchange(&machine);
    assert!(machine.rekey().unwrap().finished);
    machine.check_new(&content);
}

#[test]
fn who_is_told_to_stop_leaves_the_old_volume_and_takes_no_room() {
    let machine = Machine::new();
    let content = machine.content(&machine.old());
    let stopped = rekey(&machine.sides(), &machine.path("V"), &mut |_, _| ControlFlow::Break(()));
    assert!(stopped.is_err());
    assert!(!machine.path("V.rekey").exists() && !machine.path("A.rekey").exists());
    assert_eq!(machine.content(&machine.old()), content);
}
