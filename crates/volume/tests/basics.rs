//! The thinnest path: what is written is there after a mount, and after none.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use casemate_volume::{Form, Freshness, New, ROOT, Roots};
use support::{Machine, SMALL};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

#[test]
fn what_was_synced_is_there_after_an_unmount() {
    for roots in [Roots::Tag, Roots::Hash] {
        let mut machine = Machine::new();
        machine.create(&Form { roots, ..SMALL }).unwrap();
        let mut volume = machine.mount(Freshness::Strict).unwrap();
        let file = volume.create_file(ROOT, b"greeting", NEW).unwrap().inode;
        let big = volume.create_file(ROOT, b"big", NEW).unwrap().inode;
        volume.write(file, 0, b"hello").unwrap();
        let content: Vec<u8> = (0..300_000u32).map(|index| (index / 7) as u8).collect();
        volume.write(big, 100, &content).unwrap();
        volume.unmount().unwrap();
        let mut volume = machine.mount(Freshness::Strict).unwrap();
        let mut bytes = [0; 5];
        let file = volume.lookup(ROOT, b"greeting").unwrap().inode;
        assert_eq!(volume.read(file, 0, &mut bytes).unwrap(), 5);
        assert_eq!(&bytes, b"hello");
        let mut bytes = vec![0; 400_000];
        assert_eq!(volume.read(big, 100, &mut bytes).unwrap(), content.len());
        assert_eq!(&bytes[..content.len()], &content[..]);
        volume.verify().unwrap();
    }
}

#[test]
fn what_was_fsynced_is_there_without_an_unmount() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"journal", NEW).unwrap().inode;
    for index in 0..100u64 {
        volume.write(file, index * 5000, &[index as u8; 5000]).unwrap();
        volume.fsync(file).unwrap();
    }
    drop(volume);
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let mut bytes = vec![0; 500_000];
    assert_eq!(volume.read(file, 0, &mut bytes).unwrap(), 500_000);
    assert!(
        bytes
            .chunks(5000)
            .enumerate()
            .all(|(index, chunk)| chunk.iter().all(|byte| *byte == index as u8))
    );
    volume.verify().unwrap();
}
