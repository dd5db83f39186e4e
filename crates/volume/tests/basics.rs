//! The thinnest path: what is written is there after a mount, and after none.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use std::os::unix::fs::MetadataExt;

use casemate_volume::anchor::Memory;
use casemate_volume::host::Folder;
use casemate_volume::{
    Allocate, Changes, Environment, Form, Freshness, New, ROOT, Roots, Seek, Time, Volume, VolumeKey,
};
use support::{KEY, Machine, SMALL};

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

/// Does something to a file of this size, fsyncs, loses the memory, and gives what is found.
fn after_a_crash(size: usize, act: impl FnOnce(&mut Volume, u64)) -> Vec<u8> {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    volume.write(file, 0, &vec![0xff; size]).unwrap();
    volume.fsync(file).unwrap();
    act(&mut volume, file);
    volume.fsync(file).unwrap();
    drop(volume);
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let mut bytes = vec![0xee; 200_000];
    let count = volume.read(file, 0, &mut bytes).unwrap();
    bytes.truncate(count);
    volume.sync().unwrap();
    volume.verify().unwrap();
    let mut again = vec![0; count];
    volume.read(file, 0, &mut again).unwrap();
    assert_eq!(bytes, again, "a checkpoint changes nothing");
    bytes
}

#[test]
fn a_small_file_that_grows_keeps_its_first_bytes() {
    for at in [1500, 4096, 9000] {
        let bytes = after_a_crash(1500, |volume, file| volume.write(file, at, &[1; 4000]).unwrap());
        assert_eq!(bytes.len() as u64, at + 4000);
        assert!(bytes[..1500].iter().all(|byte| *byte == 0xff));
        assert!(bytes[1500..at as usize].iter().all(|byte| *byte == 0));
        assert!(bytes[at as usize..].iter().all(|byte| *byte == 1));
    }
}

#[test]
fn what_was_cut_off_does_not_come_back() {
    for size in [1000, 20_000, 100_000] {
        for (cut, synced) in [
            (0, false),
            (300, false),
            (301, true),
            (size / 2 + 1, false),
            (size / 2 + 1, true),
        ] {
            let bytes = after_a_crash(size, |volume, file| {
                if synced {
                    volume.sync().unwrap();
                }
                volume.truncate(file, cut as u64).unwrap();
                volume.truncate(file, size as u64).unwrap();
            });
            assert_eq!(bytes.len(), size);
            assert!(bytes[..cut].iter().all(|byte| *byte == 0xff), "{size} cut to {cut}");
            assert!(bytes[cut..].iter().all(|byte| *byte == 0), "{size} cut to {cut}");
        }
    }
}

#[test]
fn a_block_in_the_middle_of_an_extent_is_replaced_and_the_others_stay() {
    for block in [0, 3, 4, 15, 24] {
        let bytes = after_a_crash(100_000, |volume, file| {
            volume.sync().unwrap();
            volume.write(file, block * 4096, &[2; 4096]).unwrap();
            volume.sync().unwrap();
        });
        let shown = bytes.chunks(4096).enumerate();
        assert!(shown.into_iter().all(|(index, chunk)| {
            let expected = if index as u64 == block { 2 } else { 0xff };
            chunk.iter().all(|byte| *byte == expected)
        }));
    }
}

#[test]
fn times_that_a_front_gives_are_kept_whether_data_waits_or_not() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let time = |seconds| {
        Some(Time {
            seconds,
            nanoseconds: 7,
        })
    };
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    for (seconds, written) in [(-5, true), (1000, false)] {
        if written {
            volume.write(file, 0, b"data").unwrap();
        }
        let changes = Changes {
            modified: time(seconds),
            changed: time(seconds + 1),
            ..Changes::default()
        };
        let now = volume.set_attributes(file, &changes).unwrap();
        volume.fsync(file).unwrap();
        assert_eq!(
            (Some(now.modified), Some(now.changed)),
            (time(seconds), time(seconds + 1))
        );
        assert_eq!(volume.attributes(file).unwrap(), now);
    }
    drop(volume);
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    assert_eq!(Some(volume.attributes(file).unwrap().modified), time(1000));
}

#[test]
fn times_that_are_left_to_the_front_change_with_nothing_that_changes_content() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    let said = Time {
        seconds: -5,
        nanoseconds: 7,
    };
    let changes = Changes {
        modified: Some(said),
        changed: Some(said),
        ..Changes::default()
    };
    volume.set_attributes(file, &changes).unwrap();
    volume.leave_times();
    let stays = |volume: &mut Volume, size| {
        let now = volume.attributes(file).unwrap();
        assert_eq!((now.modified, now.changed, now.size), (said, said, size));
    };
    volume.write(file, 0, &[1; 5000]).unwrap();
    stays(&mut volume, 5000);
    volume.write(file, 5000, &[1; 200_000]).unwrap();
    stays(&mut volume, 205_000);
    volume.truncate(file, 300_000).unwrap();
    stays(&mut volume, 300_000);
    volume.truncate(file, 10).unwrap();
    stays(&mut volume, 10);
    volume
        .allocate(file, 0, 9000, Allocate::Reserve { keep_size: false })
        .unwrap();
    stays(&mut volume, 9000);
    volume.fsync(file).unwrap();
    drop(volume);
    stays(&mut machine.mount(Freshness::Strict).unwrap(), 9000);
}

#[test]
fn holes_and_data_are_found_where_they_are() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    volume.write(file, 8192, &[1; 8192]).unwrap();
    volume.truncate(file, 40_000).unwrap();
    for synced in [false, true] {
        if synced {
            volume.sync().unwrap();
        }
        for (from, data, hole) in [
            (0, Some(8192), 0),
            (8192, Some(8192), 16_384),
            (9000, Some(9000), 16_384),
            (16_384, None, 16_384),
            (39_999, None, 39_999),
        ] {
            let found = volume.seek(file, from, Seek::Data).ok();
            assert_eq!(
                (found, volume.seek(file, from, Seek::Hole).unwrap()),
                (data, hole),
                "{from}"
            );
        }
        let behind = volume.seek(file, 40_000, Seek::Hole).unwrap_err();
        assert_eq!(behind.errno(), 6, "ENXIO");
    }
    volume.allocate(file, 8192, 4096, Allocate::Punch).unwrap();
    assert_eq!(volume.seek(file, 0, Seek::Data).unwrap(), 12_288);
    let small = volume.create_file(ROOT, b"small", NEW).unwrap().inode;
    volume.write(small, 0, b"inline").unwrap();
    volume.sync().unwrap();
    assert_eq!(volume.seek(small, 2, Seek::Data).unwrap(), 2);
    assert_eq!(volume.seek(small, 2, Seek::Hole).unwrap(), 6);
}

#[test]
fn a_punched_hole_gives_its_space_back() {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    volume.write(file, 0, &[1; 100 * 4096]).unwrap();
    volume.sync().unwrap();
    let before = volume.statistics().free;
    volume.allocate(file, 4096, 98 * 4096, Allocate::Punch).unwrap();
    volume.sync().unwrap();
    assert!(volume.statistics().free >= before + 90);
    volume.verify().unwrap();
    let refused = volume.allocate(file, 0, 1 << 40, Allocate::Reserve { keep_size: true });
    assert_eq!(refused.unwrap_err().errno(), 28, "ENOSPC");
}

/// Blocks of 512 bytes that the host has for a folder's files.
fn host_blocks(folder: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().blocks()).sum()
}

#[test]
fn the_host_gets_space_back() {
    let (folder, anchor) = (tempfile::tempdir().unwrap(), Memory::default());
    let form = Form {
        capacity: 256 << 20,
        ..SMALL
    };
    let environment = || Environment::of_this_machine(Folder::write(folder.path()).unwrap(), Box::new(anchor.clone()));
    Volume::create(environment(), VolumeKey::new(KEY), &form).unwrap();
    let mount = || Volume::mount(environment(), VolumeKey::new(KEY), Freshness::Strict).unwrap();
    let mut volume = mount();
    let file = volume.create_file(ROOT, b"file", NEW).unwrap().inode;
    volume.write(file, 0, &vec![7; 100 << 20]).unwrap();
    volume.unmount().unwrap();
    assert!(host_blocks(folder.path()) > (100 << 20) / 512);
    let mut volume = mount();
    volume.unlink(ROOT, b"file").unwrap();
    volume.reap(file).unwrap();
    volume.unmount().unwrap();
    assert!(host_blocks(folder.path()) < (40 << 20) / 512);
    mount().verify().unwrap();
}
