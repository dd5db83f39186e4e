//! The tree against a map, and what it costs in nodes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Changed, Context, Difference, Met, Tree};
use crate::format::Roots;
use crate::format::epochs::Epoch;
use crate::format::key::{Key, Kind};
use crate::format::pointer::Pointer;
use crate::host::{File, Host};
use crate::seal::Purpose;
use crate::space::Space;
use crate::store::Store;
use crate::{Error, VolumeKey};

const BLOCKS: u64 = 1 << 15;

/// One segment in memory.
struct Segment(std::sync::Mutex<Vec<u8>>);

impl Host for Segment {
    fn length(&self, _: File) -> std::io::Result<Option<u64>> {
        Ok(Some(BLOCKS * 4096))
    }

    fn create(&self, _: File, _: u64) -> std::io::Result<()> {
        Ok(())
    }

    fn grow(&self, _: File, _: u64) -> std::io::Result<()> {
        Ok(())
    }

    fn read(&self, _: File, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        let held = self.0.lock().unwrap();
        bytes.copy_from_slice(&held[offset as usize..offset as usize + bytes.len()]);
        Ok(())
    }

    fn write(&self, _: File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        let mut held = self.0.lock().unwrap();
        let end = offset as usize + bytes.len();
        let length = held.len().max(end);
        held.resize(length, 0);
        held[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&self, _: File) -> std::io::Result<()> {
        Ok(())
    }
}

fn store(roots: Roots) -> Store {
    let mut store = Store::new(
        Box::new(Segment(Default::default())),
        VolumeKey::new([1; 32]),
        [2; 16],
        roots,
        BLOCKS,
    );
    store
        .keys
        .write_as(Epoch {
            fence: 1,
            salt: [3; 32],
        })
        .unwrap();
    store
}

fn key(number: u16) -> Key {
    Key::new(
        if number & 1 == 0 { Kind::Entry } else { Kind::Inode },
        u64::from(number >> 8),
        u64::from(number),
    )
}

fn seal(tree: &mut Tree, context: &mut Context<'_>) {
    seal_to(tree, context);
}

fn seal_to(tree: &mut Tree, context: &mut Context<'_>) -> Pointer {
    let addresses = (0..tree.dirty())
        .map(|_| context.space.allocate_node().unwrap())
        .collect();
    let root = tree.write(context, addresses).unwrap();
    assert_eq!(tree.dirty(), 0);
    context.space.release(context.generation);
    context.generation += 1;
    root
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_is_a_map(edits in proptest::collection::vec((any::<u16>(), 0usize..4400, 0u8..16), 1..400), hash: bool) {
        let mut store = store(if hash { Roots::Hash } else { Roots::Tag });
        let mut space = Space::new(BLOCKS);
        let mut context = Context { store: &mut store, space: &mut space, generation: 1 };
        let (mut tree, mut map) = (Tree::empty(), BTreeMap::new());
        for (number, length, kind) in edits {
            let key = key(number % 700);
            match kind {
                0..=9 => {
                    let value = vec![number as u8; length];
                    tree.put(&mut context, key, value.clone()).unwrap();
                    map.insert(key, value);
                }
                10..=14 => prop_assert_eq!(tree.remove(&mut context, key).unwrap(), map.remove(&key).is_some()),
                _ => seal(&mut tree, &mut context),
            }
            let floor = map.range(..=key).next_back().map(|(key, value)| (*key, value.clone()));
            prop_assert_eq!(tree.floor(context.store, key).unwrap(), floor);
            let next = map.range(key..).next().map(|(key, value)| (*key, value.clone()));
            prop_assert_eq!(tree.next(context.store, key).unwrap(), next);
        }
        seal(&mut tree, &mut context);
        let mut from = Key::FIRST;
        for (key, value) in &map {
            let found = tree.next(context.store, from).unwrap();
            prop_assert_eq!(found, Some((*key, value.clone())));
            from = Key::new(key.kind, key.inode, key.offset + 1);
        }
        let mut nodes = 0;
        let mut count = |met: Met<'_>| {
            nodes += u64::from(matches!(met, Met::Node(_)));
            Ok(())
        };
        tree.walk(context.store, &mut count).unwrap();
        prop_assert_eq!(context.space.used(), 4 * nodes);
    }
}

type Map = BTreeMap<Key, Vec<u8>>;

/// What two maps have not in common, in a range.
fn changes(old: &Map, new: &Map, from: Key, to: Key) -> Vec<Changed> {
    let keys: BTreeSet<Key> = old.keys().chain(new.keys()).copied().collect();
    let keys = keys.into_iter().filter(|key| (from..to).contains(key));
    let changed = keys.map(|key| Changed {
        key,
        old: old.get(&key).cloned(),
        new: new.get(&key).cloned(),
    });
    changed.filter(|changed| changed.old != changed.new).collect()
}

fn difference(old: &Tree, new: &Tree, store: &mut Store, from: Key, to: Key) -> Vec<Changed> {
    let mut difference = Difference::new(old, new, from, to);
    let mut found = Vec::new();
    while let Some(changed) = difference.next(store).unwrap() {
        found.push(changed);
    }
    found
}

const LAST: Key = Key::new(Kind::Origin, 0, 0);

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_difference_of_two_trees_is_that_of_two_maps(
        first in proptest::collection::vec((any::<u16>(), 0usize..4400), 0..300),
        then in proptest::collection::vec((any::<u16>(), 0usize..4400, any::<bool>()), 0..100),
        sealed: bool,
        bounds in any::<(u16, u16)>(),
    ) {
        let mut store = store(Roots::Tag);
        let mut space = Space::new(BLOCKS);
        // Nothing that the first tree has is given out again.
        space.pin(u64::MAX);
        let mut context = Context { store: &mut store, space: &mut space, generation: 1 };
        let (mut tree, mut map) = (Tree::empty(), Map::new());
        for (number, length) in first {
            let value = vec![number as u8; length];
            tree.put(&mut context, key(number % 700), value.clone()).unwrap();
            map.insert(key(number % 700), value);
        }
        let root = seal_to(&mut tree, &mut context);
        let (old, before) = (Tree::of(tree.level, root), map.clone());
        for (number, length, puts) in then {
            let key = key(number % 700);
            if puts {
                let value = vec![!number as u8; length];
                tree.put(&mut context, key, value.clone()).unwrap();
                map.insert(key, value);
            } else {
                tree.remove(&mut context, key).unwrap();
                map.remove(&key);
            }
        }
        if sealed {
            seal(&mut tree, &mut context);
        }
        let some = (key(bounds.0 % 700), key(bounds.1 % 700));
        for (from, to) in [(Key::FIRST, LAST), (some.0, LAST), some] {
            let found = difference(&old, &tree, context.store, from, to);
            prop_assert_eq!(found, changes(&before, &map, from, to));
            let back = difference(&tree, &old, context.store, from, to);
            prop_assert_eq!(back, changes(&map, &before, from, to));
        }
        let whole = difference(&Tree::empty(), &tree, context.store, Key::FIRST, LAST);
        prop_assert_eq!(whole, changes(&Map::new(), &map, Key::FIRST, LAST));
    }
}

#[test]
fn a_tree_that_is_emptied_is_one_leaf_again() {
    let mut store = store(Roots::Tag);
    let mut space = Space::new(BLOCKS);
    let mut context = Context {
        store: &mut store,
        space: &mut space,
        generation: 1,
    };
    let mut tree = Tree::empty();
    for number in 0..3000 {
        tree.put(&mut context, key(number), vec![0; 300]).unwrap();
    }
    assert!(tree.level >= 1);
    seal(&mut tree, &mut context);
    for number in 0..3000 {
        assert!(tree.remove(&mut context, key(number)).unwrap());
    }
    assert_eq!((tree.level, tree.dirty()), (0, 1));
}

#[test]
fn hash_roots_bind_the_plaintext_even_where_the_tag_agrees() {
    for (roots, bound) in [(Roots::Tag, false), (Roots::Hash, true)] {
        let mut store = store(roots);
        let mut bytes = vec![9; 4096];
        let mut sealed = store.seal(Purpose::Data, &mut bytes).unwrap();
        store.write(0, &bytes).unwrap();
        let mut plaintext = vec![0; 4096];
        store.open(Purpose::Data, 0, &sealed, &mut plaintext).unwrap();
        assert_eq!(plaintext, [9; 4096]);
        sealed.check.hash[0] ^= 1;
        assert_eq!(store.open(Purpose::Data, 0, &sealed, &mut plaintext).is_err(), bound);
    }
}

#[test]
fn one_fence_never_has_two_salts() {
    let mut store = store(Roots::Tag);
    store
        .keys
        .learn(Epoch {
            fence: 1,
            salt: [3; 32],
        })
        .unwrap();
    let refused = store
        .keys
        .learn(Epoch {
            fence: 1,
            salt: [4; 32],
        })
        .unwrap_err();
    assert!(matches!(refused, Error::Tampered { what: "an epoch", .. }), "{refused}");
}
