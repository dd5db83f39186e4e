//! What the writer wrote, as our reader reads it: a random tree comes back, and a damaged one never as a panic.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Cursor, ErrorKind};

use casemate_erofs::{
    Attributes, Device, Extended, Inode, Kind, Node, ReadError, Reader, Source, Time, Tree, Writer, kind,
};
use proptest::prelude::*;

struct Bytes<'b>(&'b RefCell<Vec<u8>>);

impl Source for Bytes<'_> {
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let bytes = self.0.borrow();
        let at = usize::try_from(offset).unwrap();
        let found = bytes.get(at..at + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }
}

/// What a test puts into a directory.
#[derive(Clone, Debug)]
enum Put {
    Directory(BTreeMap<Vec<u8>, (Put, Attributes)>),
    File(Vec<u8>),
    Link(Vec<u8>),
    Device(u32, u32),
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let name = prop_oneof![
        "user\\.[a-z]{1,20}",
        "trusted\\.[a-z.]{1,40}",
        "security\\.[a-z]{1,9}",
        Just("system.posix_acl_access".to_owned()),
    ];
    let extended = prop::collection::btree_map(
        name.prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
        0..4,
    );
    (
        0..0o10000_u16,
        any::<u32>(),
        any::<u32>(),
        any::<i64>(),
        0..1_000_000_000_u32,
        extended,
    )
        .prop_map(
            |(permissions, uid, gid, seconds, nanoseconds, extended): (_, _, _, _, _, Extended)| Attributes {
                permissions,
                uid,
                gid,
                modified: Time { seconds, nanoseconds },
                extended,
            },
        )
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let part = (0..9000_usize, prop_oneof![Just(0_u8), any::<u8>()]);
    let parts = prop::collection::vec(part, 0..4);
    parts.prop_map(|parts| {
        parts
            .into_iter()
            .flat_map(|(length, byte)| vec![byte; length])
            .collect()
    })
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no name has it", |byte| *byte != 0 && *byte != b'/');
    let any = prop::collection::vec(byte, 1..256);
    prop_oneof![any, "[a-c]{1,2}".prop_map(String::into_bytes)]
        .prop_filter("names that every directory has", |name| name != b"." && name != b"..")
}

fn put() -> impl Strategy<Value = Put> {
    let leaf = prop_oneof![
        4 => content().prop_map(Put::File),
        1 => prop::collection::vec(1..=255_u8, 1..4096).prop_map(Put::Link),
        1 => (0..1_u32 << 12, 0..1_u32 << 20).prop_map(|(major, minor)| Put::Device(major, minor)),
    ];
    leaf.prop_recursive(4, 60, 12, |inner| {
        prop::collection::btree_map(name(), (inner, attributes()), 0..12).prop_map(Put::Directory)
    })
}

fn write(entries: &BTreeMap<Vec<u8>, (Put, Attributes)>, root: &Attributes) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Cursor::new(Vec::new()), root.clone()).unwrap();
    put_all(&mut writer, Tree::ROOT, entries);
    let (out, blocks) = writer.finish().unwrap();
    assert_eq!(out.len(), blocks as usize * 4096);
    out
}

type Memory = Cursor<Vec<u8>>;

fn put_all(writer: &mut Writer<Vec<u8>, Memory>, directory: Node, entries: &BTreeMap<Vec<u8>, (Put, Attributes)>) {
    for (name, (put, attributes)) in entries {
        let kind = match put {
            Put::Directory(_) => Kind::Directory,
            Put::File(bytes) => Kind::File(writer.content(&mut &bytes[..], bytes.len() as u64).unwrap()),
            Put::Link(target) => Kind::Link(target.clone()),
            Put::Device(major, minor) => Kind::Block(Device {
                major: *major,
                minor: *minor,
            }),
        };
        let node = writer.tree.put(directory, name, kind, attributes.clone()).unwrap();
        if let Put::Directory(entries) = put {
            put_all(writer, node, entries);
        }
    }
}

fn compare(reader: &Reader<Bytes<'_>>, directory: &Inode, entries: &BTreeMap<Vec<u8>, (Put, Attributes)>) {
    let listed = reader.entries(directory).unwrap();
    let names: Vec<_> = listed
        .iter()
        .map(|entry| entry.name.clone())
        .filter(|name| name != b"." && name != b"..")
        .collect();
    assert!(names.iter().eq(entries.keys()));
    for (name, (put, attributes)) in entries {
        let found = reader.lookup(directory, name).unwrap();
        let inode = reader.inode(found.number).unwrap();
        assert_eq!(found.kind, inode.mode & kind::MASK);
        let said = (inode.mode & !kind::MASK, inode.uid, inode.gid, inode.modified);
        assert_eq!(
            said,
            (
                attributes.permissions,
                attributes.uid,
                attributes.gid,
                attributes.modified
            )
        );
        assert_eq!(reader.extended(&inode).unwrap(), attributes.extended);
        match put {
            Put::Directory(entries) => compare(reader, &inode, entries),
            Put::File(bytes) => assert!(read(reader, &inode) == *bytes),
            Put::Link(target) => assert_eq!(reader.target(&inode).unwrap(), *target),
            Put::Device(major, minor) => assert_eq!(inode.device, minor & 0xff | major << 8 | (minor & !0xff) << 12),
        }
    }
}

/// A file in pieces that do not fit its blocks.
fn read(reader: &Reader<Bytes<'_>>, inode: &Inode) -> Vec<u8> {
    let (mut bytes, mut room) = (Vec::new(), [0; 1234]);
    loop {
        let count = reader.content(inode, bytes.len() as u64, &mut room).unwrap();
        if count == 0 {
            return bytes;
        }
        bytes.extend(&room[..count]);
    }
}

/// Reads all that there is, whatever it says.
fn walk(reader: &Reader<Bytes<'_>>, number: u64, depth: usize) -> Result<(), ReadError> {
    let inode = reader.inode(number)?;
    let _ = reader.extended(&inode);
    let _ = reader.target(&inode);
    let mut room = [0; 9000];
    for offset in [0, 1, 5000, u64::MAX - 5000] {
        let _ = reader.content(&inode, offset, &mut room);
    }
    let _ = reader.lookup(&inode, b"name");
    for entry in reader.entries(&inode)? {
        if depth < 3 && entry.name != b"." && entry.name != b".." {
            let _ = walk(reader, entry.number, depth + 1);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_tree_comes_back(
        entries in prop::collection::btree_map(name(), (put(), attributes()), 0..20),
        root in attributes(),
    ) {
        let bytes = write(&entries, &root);
        prop_assert!(bytes == write(&entries, &root), "the same input gives the same bytes");
        let bytes = RefCell::new(bytes);
        let reader = Reader::open(Bytes(&bytes)).unwrap();
        let inode = reader.inode(reader.root()).unwrap();
        prop_assert_eq!(reader.extended(&inode).unwrap(), root.extended.clone());
        compare(&reader, &inode, &entries);
    }

    #[test]
    fn a_directory_of_any_size_is_searched(names in prop::collection::btree_set(name(), 0..600), other in name()) {
        let entries = names.iter().map(|name| (name.clone(), (Put::File(Vec::new()), Attributes::default()))).collect();
        let bytes = RefCell::new(write(&entries, &Attributes::default()));
        let reader = Reader::open(Bytes(&bytes)).unwrap();
        let root = reader.inode(reader.root()).unwrap();
        compare(&reader, &root, &entries);
        prop_assert_eq!(reader.lookup(&root, &other).is_ok(), names.contains(&other));
    }
}

#[test]
fn a_file_system_that_lies_is_refused_without_a_panic() {
    let deep = BTreeMap::from([(b"name".to_vec(), (Put::File(vec![1; 5000]), Attributes::default()))]);
    let extended = Attributes {
        extended: Extended::from([(b"user.word".to_vec(), b"value".to_vec())]),
        ..Attributes::default()
    };
    let mut holes = vec![0; 50_000];
    holes[20_000] = 1;
    let entries = BTreeMap::from([
        (b"folder".to_vec(), (Put::Directory(deep), extended.clone())),
        (b"holes".to_vec(), (Put::File(holes), extended)),
        (b"link".to_vec(), (Put::Link(b"target".to_vec()), Attributes::default())),
    ]);
    let bytes = RefCell::new(write(&entries, &Attributes::default()));
    let length = bytes.borrow().len();
    for at in 0..length {
        for change in [0x01, 0x80, 0xff] {
            bytes.borrow_mut()[at] ^= change;
            if let Ok(reader) = Reader::open(Bytes(&bytes)) {
                let _ = walk(&reader, reader.root(), 0);
                let _ = walk(&reader, u64::MAX, 0);
            }
            bytes.borrow_mut()[at] ^= change;
        }
    }
}

#[test]
fn a_file_system_says_itself_whether_anything_has_extended_attributes() {
    let is_plain = |of_root: &[&str], of_directory: &[&str]| {
        let with = |names: &[&str]| Attributes {
            extended: names
                .iter()
                .map(|name| (name.as_bytes().to_vec(), b"y".to_vec()))
                .collect(),
            ..Attributes::default()
        };
        let mut writer = Writer::new(Vec::new(), Cursor::new(Vec::new()), with(of_root)).unwrap();
        let kind = Kind::Directory;
        writer.tree.put(Tree::ROOT, b"d", kind, with(of_directory)).unwrap();
        let (out, _) = writer.finish().unwrap();
        Reader::open(Bytes(&RefCell::new(out))).unwrap().is_plain()
    };
    assert!(is_plain(&[], &[]));
    assert!(is_plain(&[], &["trusted.overlay.opaque"]));
    assert!(is_plain(
        &["trusted.overlay.casemate.implied"],
        &["trusted.overlay.casemate.implied"]
    ));
    assert!(!is_plain(&["user.a"], &[]));
    assert!(!is_plain(&[], &["trusted.overlay.opaque", "security.capability"]));
}
