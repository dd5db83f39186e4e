//! The allocator against a set of blocks.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Space;
use crate::format::Malformed;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_block_is_given_out_twice_and_none_is_lost(
        capacity in 64u64..70_000,
        steps in proptest::collection::vec((0u8..6, 1u32..33), 1..300),
    ) {
        let mut space = Space::new(capacity);
        let mut held: Vec<(u64, u32)> = Vec::new();
        let mut deferred: Vec<(u64, u32)> = Vec::new();
        let mut busy = BTreeSet::new();
        for (kind, count) in steps {
            let taken = match kind {
                0 => space.allocate_node().ok().map(|address| (address, 4)),
                1 => space.allocate_data(count, 2).ok().inspect(|(address, count)| space.settle(*address, *count)),
                2 => {
                    // Kept for who then does not write.
                    if let Ok((address, count)) = space.allocate_data(count, 2) {
                        prop_assert!(!space.is_live(address) && space.is_busy(address));
                        space.give_back(address, count);
                    }
                    None
                }
                3 if !held.is_empty() => {
                    let freed = held.swap_remove(count as usize % held.len());
                    space.free(freed.0, freed.1, 7).unwrap();
                    deferred.push(freed);
                    None
                }
                4 => {
                    space.release(6);
                    None
                }
                _ => {
                    space.release(7);
                    deferred.drain(..).for_each(|(at, count)| (at..at + u64::from(count)).for_each(|block| {
                        busy.remove(&block);
                    }));
                    None
                }
            };
            if let Some((address, count)) = taken {
                prop_assert!(count > 0 && address + u64::from(count) <= capacity);
                (address..address + u64::from(count)).for_each(|block| assert!(busy.insert(block), "given out twice"));
                held.push((address, count));
            }
            let used: u64 = held.iter().map(|(_, count)| u64::from(*count)).sum();
            prop_assert_eq!(space.used(), used);
            prop_assert_eq!(space.free_for_data(0), capacity - busy.len() as u64);
        }
    }
}

#[test]
fn a_map_survives_its_stored_form() {
    let mut space = Space::new(40_000);
    let first = space.allocate_data(7, 0).unwrap();
    space.settle(first.0, first.1);
    let kept = space.allocate_data(9, 0).unwrap();
    let second = space.allocate_node().unwrap();
    space.free(first.0, first.1, 1).unwrap();
    let mut again = Space::new(40_000);
    for (index, map) in space.take_touched() {
        again.load(index, &map).unwrap();
    }
    assert_eq!(again.used(), 4);
    assert!(again.is_live(second) && !again.is_busy(first.0));
    assert!(
        !again.is_busy(kept.0),
        "what nobody shows yet is no part of a checkpoint"
    );
}

#[test]
fn hostile_requests_are_refused() {
    let mut space = Space::new(100);
    let (address, count) = space.allocate_data(4, 0).unwrap();
    let taken = Malformed("an extent takes blocks that are in use");
    assert_eq!(space.claim(address, count), Err(taken));
    assert_eq!(
        space.claim(98, 4),
        Err(Malformed("an extent is behind the volume's end"))
    );
    assert_eq!(
        space.claim(u64::MAX, 4),
        Err(Malformed("an extent is behind the volume's end"))
    );
    assert_eq!(space.free(50, 1, 1), Err(Malformed("a freed block was free")));
    assert_eq!(
        space.load(1, &[0; 4096]),
        Err(Malformed("a space map is behind the volume's end"))
    );
    assert_eq!(
        space.load(0, &[0xff; 4096]),
        Err(Malformed("a block behind the volume's end lives"))
    );
    assert_eq!(space.load(0, &[0; 100]), Err(Malformed("a space map has not its size")));
}
