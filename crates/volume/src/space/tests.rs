//! The allocator against a set of blocks.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{IDLE, Space};
use crate::format::{MAP_BLOCKS, Malformed};

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

/// Takes and shows so many blocks, in extents as large as they come.
fn fill(space: &mut Space, blocks: u32) -> Vec<(u64, u32)> {
    let (mut left, mut taken) = (blocks, Vec::new());
    while left > 0 {
        let (address, count) = space.allocate_data(left.min(32), 0).unwrap();
        space.settle(address, count);
        taken.push((address, count));
        left -= count;
    }
    taken
}

fn drop_all(space: &mut Space, taken: Vec<(u64, u32)>, generation: u64) {
    for (address, count) in taken {
        space.free(address, count, generation).unwrap();
    }
    space.release(generation);
}

#[test]
fn what_is_written_again_and_again_takes_no_more_of_the_host_than_twice_its_size() {
    let mut space = Space::new(64 * MAP_BLOCKS);
    let mut highest = 0;
    let mut before = Vec::new();
    for generation in 1..200 {
        let taken = fill(&mut space, 2 * MAP_BLOCKS as u32);
        highest = taken
            .iter()
            .map(|(address, count)| address + u64::from(*count))
            .max()
            .max(Some(highest))
            .unwrap();
        drop_all(&mut space, std::mem::replace(&mut before, taken), generation);
    }
    assert!(highest <= 5 * MAP_BLOCKS, "{highest}");
}

#[test]
fn long_rows_are_found_among_short_ones() {
    let mut space = Space::new(3 * MAP_BLOCKS);
    let taken = fill(&mut space, 3 * MAP_BLOCKS as u32);
    // Every second extent of the first two maps goes, and one long row at the end of the third.
    let rows = taken
        .iter()
        .copied()
        .filter(|(address, _)| *address < 2 * MAP_BLOCKS && address / 32 % 2 == 0);
    let halves = rows.map(|(address, _)| (address, 16)).collect();
    drop_all(&mut space, halves, 1);
    drop_all(&mut space, vec![(3 * MAP_BLOCKS - 64, 32)], 2);
    assert_eq!(space.allocate_data(32, 0).unwrap(), (3 * MAP_BLOCKS - 64, 32));
    assert_eq!(
        space.allocate_data(32, 0).unwrap().1,
        16,
        "then the longest that are left"
    );
    let rest = 2 * MAP_BLOCKS / 64 - 1;
    (0..rest).for_each(|_| assert_eq!(space.allocate_data(32, 0).unwrap().1, 16));
    assert!(matches!(space.allocate_data(32, 0), Err(crate::Error::NoSpace)));
}

#[test]
fn the_host_gets_back_what_stays_free() {
    let mut space = Space::new(2 * MAP_BLOCKS);
    let taken = fill(&mut space, MAP_BLOCKS as u32);
    let kept: Vec<_> = taken
        .iter()
        .copied()
        .filter(|(address, _)| (4096..4128).contains(address))
        .collect();
    let rest = taken.into_iter().filter(|extent| !kept.contains(extent)).collect();
    drop_all(&mut space, rest, 1);
    (0..12).for_each(|_| assert!(space.take_idle(false).is_empty(), "it may be wanted again soon"));
    let idle = space.take_idle(false);
    assert_eq!(idle, [0, 2, 3, 4, 5, 6, 7].map(|piece| piece * IDLE));
    assert!(space.is_busy(0), "nobody writes there meanwhile");
    idle.iter().for_each(|address| space.give_back(*address, IDLE as u32));
    assert!(space.take_idle(true).is_empty(), "once is enough");
    drop_all(&mut space, kept, 2);
    assert_eq!(space.take_idle(true), [IDLE]);
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
