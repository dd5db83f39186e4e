//! Every limit: at it, and over it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

mod support;

use casemate_volume::{Error, Form, Freshness, New, ROOT, Rename, Volume};
use support::{Machine, SMALL};

const NEW: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

fn volume() -> (Machine, Volume) {
    let mut machine = Machine::new();
    machine.create(&SMALL).unwrap();
    let volume = machine.mount(Freshness::Strict).unwrap();
    (machine, volume)
}

#[test]
fn names_have_255_bytes_and_no_slash() {
    let (_, mut volume) = volume();
    volume.create_file(ROOT, &[b'n'; 255], NEW).unwrap();
    assert!(volume.lookup(ROOT, &[b'n'; 255]).is_ok());
    assert!(matches!(
        volume.create_file(ROOT, &[b'n'; 256], NEW).unwrap_err(),
        Error::NameTooLong
    ));
    assert!(matches!(
        volume.lookup(ROOT, &[b'n'; 256]).unwrap_err(),
        Error::NameTooLong
    ));
    for (name, errno) in [
        (b"".as_slice(), 2),
        (b".", 17),
        (b"..", 17),
        (b"a/b", 22),
        (b"a\0b", 22),
    ] {
        assert_eq!(volume.create_file(ROOT, name, NEW).unwrap_err().errno(), errno);
    }
}

#[test]
fn attributes_have_255_bytes_of_name_and_4096_of_value() {
    let (mut machine, mut volume) = volume();
    volume
        .set_attribute(ROOT, &[b'n'; 255], &[1; 4096], Some(false))
        .unwrap();
    let refused = volume.set_attribute(ROOT, b"name", &[1; 4097], None).unwrap_err();
    assert!(matches!(refused, Error::AttributeTooLong), "{refused}");
    assert!(matches!(
        volume.set_attribute(ROOT, &[b'n'; 256], b"", None).unwrap_err(),
        Error::NameTooLong
    ));
    assert!(matches!(
        volume.set_attribute(ROOT, b"", b"", None).unwrap_err(),
        Error::Invalid
    ));
    assert!(matches!(
        volume.set_attribute(ROOT, &[b'n'; 255], b"", Some(false)).unwrap_err(),
        Error::Exists
    ));
    assert!(matches!(
        volume.set_attribute(ROOT, b"name", b"", Some(true)).unwrap_err(),
        Error::NoAttribute
    ));
    volume.fsync(ROOT).unwrap();
    drop(volume);
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    assert_eq!(volume.attribute(ROOT, &[b'n'; 255]).unwrap(), [1; 4096]);
}

#[test]
fn targets_of_symbolic_links_have_1_to_4095_bytes() {
    let (_, mut volume) = volume();
    let inode = volume.symlink(ROOT, b"link", &[b't'; 4095], NEW).unwrap().inode;
    assert_eq!(volume.readlink(inode).unwrap(), [b't'; 4095]);
    assert!(matches!(
        volume.symlink(ROOT, b"long", &[b't'; 4096], NEW).unwrap_err(),
        Error::NameTooLong
    ));
    assert!(matches!(
        volume.symlink(ROOT, b"none", b"", NEW).unwrap_err(),
        Error::Invalid
    ));
    assert!(matches!(volume.readlink(ROOT).unwrap_err(), Error::Invalid));
}

#[test]
fn files_have_up_to_16_tebibytes() {
    let (mut machine, mut volume) = volume();
    let inode = volume.create_file(ROOT, b"sparse", NEW).unwrap().inode;
    volume.write(inode, (1 << 44) - 4, b"last").unwrap();
    assert!(matches!(
        volume.write(inode, (1 << 44) - 3, b"over").unwrap_err(),
        Error::TooLarge
    ));
    assert!(matches!(
        volume.write(inode, u64::MAX, b"over").unwrap_err(),
        Error::TooLarge
    ));
    assert!(matches!(
        volume.truncate(inode, (1 << 44) + 1).unwrap_err(),
        Error::TooLarge
    ));
    volume.unmount().unwrap();
    let mut volume = machine.mount(Freshness::Strict).unwrap();
    let mut bytes = [1; 8];
    assert_eq!(volume.read(inode, (1 << 44) - 8, &mut bytes).unwrap(), 8);
    assert_eq!(&bytes, b"\0\0\0\0last");
    assert_eq!(volume.read(inode, 1 << 44, &mut bytes).unwrap(), 0);
    assert_eq!(volume.truncate(inode, 0).unwrap().size, 0);
    volume.truncate(inode, 1 << 44).unwrap();
    assert_eq!(volume.read(inode, (1 << 44) - 8, &mut bytes).unwrap(), 8);
    assert_eq!(bytes, [0; 8]);
}

#[test]
fn a_file_has_65_000_names() {
    let mut machine = Machine::new();
    machine
        .create(&Form {
            capacity: 64 << 20,
            ..SMALL
        })
        .unwrap();
    let mut volume = machine.mount(Freshness::Interval).unwrap();
    let inode = volume.create_file(ROOT, b"0", NEW).unwrap().inode;
    for name in 1..65_000 {
        volume.link(inode, ROOT, name.to_string().as_bytes()).unwrap();
    }
    assert!(matches!(
        volume.link(inode, ROOT, b"more").unwrap_err(),
        Error::TooManyLinks
    ));
    assert_eq!(volume.readdir(ROOT, 0, usize::MAX).unwrap().len(), 65_000);
}

#[test]
fn a_directory_has_64_998_below_it_however_they_got_there() {
    let mut machine = Machine::new();
    machine
        .create(&Form {
            capacity: 64 << 20,
            ..SMALL
        })
        .unwrap();
    let mut volume = machine.mount(Freshness::Interval).unwrap();
    let full = volume.mkdir(ROOT, b"full", NEW).unwrap().inode;
    for name in 2..65_000 {
        volume.mkdir(full, name.to_string().as_bytes(), NEW).unwrap();
    }
    volume.create_file(full, b"file", NEW).unwrap();
    volume.mkdir(ROOT, b"more", NEW).unwrap();
    assert!(matches!(
        volume.mkdir(full, b"more", NEW).unwrap_err(),
        Error::TooManyLinks
    ));
    let mut rename = |from: (u64, &[u8]), to: (u64, &[u8]), how| volume.rename(from, to, how);
    for (to, how) in [(b"more".as_slice(), Rename::Replace), (b"file", Rename::Exchange)] {
        let refused = rename((ROOT, b"more"), (full, to), how).unwrap_err();
        assert!(matches!(refused, Error::TooManyLinks), "{refused}");
    }
    let refused = rename((full, b"file"), (ROOT, b"more"), Rename::Exchange).unwrap_err();
    assert!(matches!(refused, Error::TooManyLinks), "{refused}");
    rename((full, b"2"), (full, b"more"), Rename::Replace).unwrap();
    rename((ROOT, b"more"), (full, b"more"), Rename::Replace).unwrap();
    assert_eq!(volume.attributes(full).unwrap().links, 65_000);
}

#[test]
fn a_listing_goes_on_where_it_stopped_while_others_change_the_directory() {
    let (_, mut volume) = volume();
    for name in 0..100u8 {
        volume.create_file(ROOT, &[b'n', name + 100], NEW).unwrap();
    }
    let (mut seen, mut cookie) = (Vec::new(), 0);
    loop {
        let entries = volume.readdir(ROOT, cookie, 7).unwrap();
        let Some(last) = entries.last() else { break };
        cookie = last.cookie;
        volume.unlink(ROOT, &entries[0].name).unwrap();
        seen.extend(entries.into_iter().map(|entry| entry.name));
    }
    seen.sort();
    assert_eq!(seen, (0..100u8).map(|name| vec![b'n', name + 100]).collect::<Vec<_>>());
}

#[test]
fn a_form_out_of_bounds_is_refused() {
    for form in [
        Form {
            capacity: (256 << 10) - 4096,
            ..SMALL
        },
        Form {
            capacity: SMALL.capacity + 1,
            ..SMALL
        },
        Form {
            capacity: (1 << 46) + 4096,
            ..SMALL
        },
        Form {
            log: (256 << 10) - 4096,
            ..SMALL
        },
        Form {
            log: SMALL.log + 1,
            ..SMALL
        },
    ] {
        assert!(
            matches!(Machine::new().create(&form).unwrap_err(), Error::Invalid),
            "{form:?}"
        );
    }
    let smallest = Form {
        capacity: 256 << 10,
        log: 256 << 10,
        ..SMALL
    };
    let mut machine = Machine::new();
    machine.create(&smallest).unwrap();
    machine
        .mount(Freshness::Strict)
        .unwrap()
        .create_file(ROOT, b"file", NEW)
        .unwrap();
}
