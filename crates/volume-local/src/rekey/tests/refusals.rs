//! What is refused before anything is written, with what to do instead.

use std::os::unix::fs::symlink;

use super::super::sibling::Sibling;
use super::*;

fn refused(machine: &Machine, words: &str) {
    let content = machine.content(&machine.old());
    let failure = machine.rekey().unwrap_err();
    assert!(failure.to_string().contains(words), "{failure}");
    assert_eq!(machine.content(&machine.old()), content);
}

#[test]
fn a_volume_that_somebody_writes() {
    let machine = Machine::new();
    let writer = machine.old().write(Freshness::Strict).unwrap();
    assert!(matches!(machine.rekey(), Err(Failure::Volume(Error::Locked))));
    drop(writer);
    machine.rekey().unwrap();
}

#[test]
fn the_key_that_it_has() {
    let machine = Machine::new();
    let refused = Files::new(machine.old(), Freshness::Strict, VolumeKey::new([1; 32])).unwrap_err();
    assert_eq!(refused.code(), "usage");
    assert!(refused.to_string().contains("name another file"), "{refused}");
}

#[test]
fn a_volume_that_no_anchor_knows() {
    let machine = Machine::new();
    let refused = Files::new(machine.old(), Freshness::None, VolumeKey::new([2; 32]));
    assert!(refused.is_err_and(|failure| failure.to_string().contains("no anchor says")));
}

#[test]
fn a_folder_with_other_things_in_it() {
    let machine = Machine::new();
    fs::write(machine.path("V").join("notes"), "mine").unwrap();
    refused(&machine, "notes is no file of a volume");
}

#[test]
fn a_folder_beside_that_is_somebody_elses() {
    let machine = Machine::new();
    fs::create_dir(machine.path("V.rekey")).unwrap();
    fs::write(machine.path("V.rekey").join("superblock"), "mine").unwrap();
    refused(&machine, "is not of a rekeying");
    assert!(machine.path("V.rekey").join("superblock").exists());
    fs::remove_dir_all(machine.path("V.rekey")).unwrap();
}

#[test]
fn a_link_beside_to_a_folder_that_could_be_ours() {
    let machine = Machine::new();
    fs::create_dir(machine.path("elsewhere")).unwrap();
    for name in ["rekey", "log"] {
        fs::write(machine.path("elsewhere").join(name), []).unwrap();
    }
    symlink(machine.path("elsewhere"), machine.path("V.rekey")).unwrap();
    refused(&machine, "is not of a rekeying");
    assert!(machine.path("elsewhere").join("log").exists());
}

#[test]
fn an_anchor_beside_that_is_somebody_elses() {
    let machine = Machine::new();
    fs::write(machine.path("A.rekey"), "mine").unwrap();
    refused(&machine, "A.rekey is there, and no rekeying left it");
    assert_eq!(fs::read(machine.path("A.rekey")).unwrap(), b"mine");
}

#[test]
fn a_host_without_room_for_a_second_copy() {
    let machine = Machine::new();
    let sibling = Sibling::of(&machine.path("V")).unwrap();
    let failure = sibling.require_room(u64::MAX).unwrap_err();
    assert_eq!(failure.code(), "no-space");
    assert!(failure.to_string().contains("make room first"), "{failure}");
    sibling.require_room(0).unwrap();
}

#[test]
fn a_folder_that_is_a_mount() {
    let Err(failure) = Sibling::of(std::path::Path::new("/proc")) else {
        panic!("/proc was taken")
    };
    assert!(failure.to_string().contains("is a mount"), "{failure}");
}

#[test]
fn a_volume_that_is_not_there() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("V")).unwrap();
    assert!(machine.rekey().is_err());
    assert!(!machine.path("V.rekey").exists());
}
