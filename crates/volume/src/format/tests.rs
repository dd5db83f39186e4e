//! Every form: what is written is read back, each reserved byte counts, and any bytes give a value or a refusal.

use proptest::prelude::*;

use super::epochs::Epoch;
use super::extent::Extent;
use super::group::Change;
use super::inode::{Inode, Time, mode};
use super::key::{Key, Kind};
use super::named::Named;
use super::node::Stored;
use super::pointer::{Check, Pointer};
use super::superblock::{self, Body, Head, LogHead, Unusable};
use super::*;
use crate::decoders;

const CHECK: Check = Check {
    tag: [1; 16],
    hash: [2; 32],
};
const POINTER: Pointer = Pointer {
    address: 3,
    fence: 4,
    counter: 5,
    birth: 6,
    check: CHECK,
};

fn extent() -> Extent {
    let checks = vec![CHECK; 2];
    Extent {
        address: 9,
        fence: 8,
        counter: 7,
        birth: 6,
        blocks: 5,
        start: 1,
        count: 4,
        checks,
    }
}

fn inode() -> Inode {
    let accessed = Time {
        seconds: -5,
        nanoseconds: 999_999_999,
    };
    Inode {
        mode: mode::FILE | 0o600,
        uid: 1,
        links: 1,
        size: 3,
        accessed,
        inline: b"abc".to_vec(),
        ..Inode::default()
    }
}

#[test]
fn each_form_is_read_as_it_was_written() {
    let body = Body {
        level: 2,
        root: POINTER,
        epochs: POINTER,
        epoch_blocks: 1,
        log_blocks: 64,
        log: LogHead {
            position: 1,
            sequence: 2,
            link: [3; 32],
        },
        capacity: 64,
        used: 7,
        next_inode: 9,
    };
    let head = Head {
        roots: Roots::Hash,
        volume: [1; 16],
        generation: 2,
        fence: 3,
        counter: 4,
        salt: [5; 32],
    };
    assert_eq!(Head::decode(&head.encode()), Ok(head));
    let bytes = body.encode(Roots::Hash);
    assert_eq!(bytes.len() + superblock::HEAD, BLOCK);
    assert_eq!(Body::decode(&bytes, Roots::Hash), Ok(body));
    assert_eq!(Extent::decode(&extent().encode(Roots::Hash), Roots::Hash), Ok(extent()));
    assert_eq!(Inode::decode(&inode().encode()), Ok(inode()));
    let epochs = vec![
        Epoch {
            fence: 1,
            salt: [1; 32],
        },
        Epoch {
            fence: 9,
            salt: [2; 32],
        },
    ];
    assert_eq!(epochs::decode(&epochs::encode(&epochs)), Ok(epochs));
    let names = vec![Named {
        name: b"a".to_vec(),
        value: b"b".to_vec(),
    }];
    assert_eq!(named::decode(&named::encode(&names)), Ok(names));
}

#[test]
fn nodes_and_groups_are_read_as_they_were_written() {
    let leaf = Stored::Leaf(vec![
        (Key::new(Kind::Inode, 1, 0), vec![7; 100]),
        (Key::new(Kind::Entry, 1, 0), vec![]),
    ]);
    assert_eq!(node::decode(&node::encode(&leaf, Roots::Tag), 0, Roots::Tag), Ok(leaf));
    let inner = Stored::Inner(3, vec![(Key::FIRST, POINTER)]);
    assert_eq!(
        node::decode(&node::encode(&inner, Roots::Hash), 3, Roots::Hash),
        Ok(inner.clone())
    );
    let other = node::decode(&node::encode(&inner, Roots::Hash), 2, Roots::Hash);
    assert_eq!(other, Err(Malformed("a node is not of its level")));
    let changes = vec![
        Change::Put(Key::new(Kind::Inode, 5, 0), inode().encode()),
        Change::Remove(Key::new(Kind::Orphan, 0, 5)),
        Change::Extent(5, 2, extent()),
        Change::Punch(5, 1, 4),
        Change::Write(5, 100, vec![1; 5000]),
    ];
    let mut bytes = Vec::new();
    changes.iter().for_each(|change| change.encode(&mut bytes, Roots::Hash));
    assert_eq!(group::decode(&group::plaintext(&bytes), Roots::Hash), Ok(changes));
}

#[test]
fn each_reserved_byte_counts() {
    let leaf = node::encode(&Stored::Leaf(vec![(Key::FIRST, vec![1; 10])]), Roots::Tag);
    let used = node::HEAD + node::leaf_entry(&[1; 10]);
    for offset in [1, 4, 5, 6, 7].into_iter().chain(used..NODE) {
        let mut bytes = leaf.clone();
        bytes[offset] = 1;
        assert!(node::decode(&bytes, 0, Roots::Tag).is_err(), "byte {offset}");
    }
    let epochs = epochs::encode(&[Epoch {
        fence: 1,
        salt: [1; 32],
    }]);
    for offset in (4..8).chain(48..BLOCK) {
        let mut bytes = epochs.clone();
        bytes[offset] = 1;
        assert_eq!(
            epochs::decode(&bytes),
            Err(Malformed("a reserved byte is set")),
            "byte {offset}"
        );
    }
    let mut bytes = extent().encode(Roots::Tag);
    bytes[38] = 1;
    assert_eq!(
        Extent::decode(&bytes, Roots::Tag),
        Err(Malformed("a reserved byte is set"))
    );
    let mut bytes = inode().encode();
    bytes[88] = 1;
    assert_eq!(Inode::decode(&bytes), Err(Malformed("an inode has unknown flags")));
}

#[test]
fn what_is_out_of_bounds_is_refused() {
    for (change, reason) in [
        (Extent { blocks: 0, ..extent() }, "an extent has 1 to 32 blocks"),
        (Extent { blocks: 33, ..extent() }, "an extent has 1 to 32 blocks"),
        (
            Extent { start: 2, ..extent() },
            "an extent shows blocks that it does not have",
        ),
        (
            Extent { count: 0, ..extent() },
            "an extent shows blocks that it does not have",
        ),
        (
            Extent {
                address: u64::MAX,
                ..extent()
            },
            "an address is out of range",
        ),
    ] {
        assert_eq!(
            Extent::decode(&change.encode(Roots::Tag), Roots::Tag),
            Err(Malformed(reason))
        );
    }
    for (change, reason) in [
        (Inode { mode: 0, ..inode() }, "an inode is of an unknown type"),
        (
            Inode {
                mode: mode::FILE | 1 << 20,
                ..inode()
            },
            "an inode is of an unknown type",
        ),
        (
            Inode {
                size: FILE + 1,
                inline: vec![],
                ..inode()
            },
            "a file is too large",
        ),
        (Inode { size: 4, ..inode() }, "an inode's content has not its size"),
        (
            Inode {
                size: 2049,
                inline: vec![0; 2049],
                ..inode()
            },
            "an inode's content has not its size",
        ),
        (
            Inode {
                mode: mode::SYMLINK,
                inline: vec![],
                ..inode()
            },
            "an inode's content has not its size",
        ),
    ] {
        assert_eq!(Inode::decode(&change.encode()), Err(Malformed(reason)));
    }
    for kind in [Kind::Extent, Kind::Snapshot, Kind::Space, Kind::Dead, Kind::Origin] {
        let own = Change::Remove(Key::new(kind, 0, 0));
        let mut bytes = Vec::new();
        own.encode(&mut bytes, Roots::Tag);
        let refused = group::decode(&group::plaintext(&bytes), Roots::Tag);
        assert_eq!(refused, Err(Malformed("a change of a key that has its own")));
    }
}

#[test]
fn later_versions_are_named() {
    let head = Head {
        roots: Roots::Tag,
        volume: [1; 16],
        generation: 2,
        fence: 3,
        counter: 4,
        salt: [5; 32],
    };
    for (offset, what, got) in [(8, "format version", 3), (10, "algorithm", 3), (12, "feature flags", 2)] {
        let mut bytes = head.encode();
        bytes[offset] ^= 2;
        assert_eq!(Head::decode(&bytes), Err(Unusable::Unknown(what, got)));
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_value_or_a_refusal(bytes in proptest::collection::vec(any::<u8>(), 0..600), hash: bool) {
        let roots = if hash { Roots::Hash } else { Roots::Tag };
        let _ = decoders::all(&bytes, roots);
        let mut node = bytes;
        node.resize(NODE, 0);
        node[0] %= 2;
        let _ = decoders::all(&node, roots);
    }
}
