//! Where the next blocks come from: rows as long as are wanted, if there are any, in maps that were used before and are
//! half free by now, so that the volume takes no more of the host than it must.

use super::map::{Map, QUAD};
use super::{QUADS, Space, blocks_of};

impl Space {
    /// Up to `wanted` free quads in a row: the first, and how many. Shorter rows are taken only where there is none.
    pub(super) fn find_row(&mut self, wanted: u64) -> Option<(u64, u64)> {
        let mut length = wanted;
        while length > 0 {
            if let Some(first) = self.row(length) {
                self.cursor = first;
                return Some((first, self.run(first, wanted)));
            }
            length /= 2;
        }
        None
    }

    /// The next row of a length: behind the last one, else in another map.
    fn row(&mut self, length: u64) -> Option<u64> {
        let here = self.cursor / QUADS;
        let behind = self
            .may_have(here, length)
            .then(|| self.row_in(here, self.cursor % QUADS, length));
        if let Some(found) = behind.flatten() {
            return Some(found);
        }
        while let Some(map) = self.next_map(length) {
            if let Some(found) = self.row_in(map, 0, length) {
                return Some(found);
            }
            self.free[map as usize].longest = length - 1;
        }
        None
    }

    fn may_have(&self, map: u64, length: u64) -> bool {
        self.free
            .get(map as usize)
            .is_some_and(|free| free.quads.min(free.longest) >= length)
    }

    /// The map to go on in: one that was used and is half free, a quarter free, one that was never used, any.
    fn next_map(&self, length: u64) -> Option<u64> {
        let rank = |map: u64| match (&self.maps[map as usize], self.free[map as usize].quads) {
            (Some(_), quads) if quads * 2 >= QUADS => 0,
            (Some(_), quads) if quads * 4 >= QUADS => 1,
            (None, _) => 2,
            (Some(_), _) => 3,
        };
        let maps = 0..self.maps.len() as u64;
        maps.filter(|map| self.may_have(*map, length))
            .min_by_key(|map| rank(*map))
    }

    /// The first row of a length in a map, from one of its quads on.
    fn row_in(&self, map: u64, from: u64, length: u64) -> Option<u64> {
        let end = blocks_of(self.capacity, map) / u64::from(QUAD);
        let found = match &self.maps[map as usize] {
            None => Some(from),
            Some(bits) => bits.row(from, length),
        };
        found
            .filter(|first| first + length <= end)
            .map(|first| map * QUADS + first)
    }

    /// Free quads in a row from `first`, in one map, at most `most`.
    pub(super) fn run(&self, first: u64, most: u64) -> u64 {
        let end = (first / QUADS + 1) * QUADS;
        (first..end.min(first + most))
            .take_while(|quad| self.quad_is_free(*quad))
            .count() as u64
    }
}

impl Map {
    /// The first of `length` free quads in a row, from a quad on.
    fn row(&self, from: u64, length: u64) -> Option<u64> {
        let (mut quad, mut found) = (from, 0);
        while quad < QUADS {
            if quad % 16 == 0 && self.quads_are_busy(quad) {
                (quad, found) = (quad + 16, 0);
                continue;
            }
            found = if self.quad_is_free(quad) { found + 1 } else { 0 };
            quad += 1;
            if found == length {
                return Some(quad - length);
            }
        }
        None
    }
}
