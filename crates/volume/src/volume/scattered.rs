//! Which parts of which files lie scattered on the host, as far as is known: noted when they are written in small parts,
//! and when the tree is looked through ([`super::survey`]). In memory only: nothing is lost with it but work.

use std::collections::BTreeMap;

/// Blocks of a part: 1 MiB, as much as fronts read at once.
pub const PART: u64 = 256;
/// Most parts that are remembered: a few mebibytes of memory.
const MOST: usize = 1 << 16;
/// Runs on the host from which on a part is worth a look.
pub const RUNS: u32 = 8;
/// Small extents that a part gets before it is looked at again.
const NEWS: u32 = 8;
/// Rounds for which a part has to be left alone: whoever overwrites it goes on to do so.
const PATIENCE: u64 = 2;
/// Blocks that may be written anew for each two that were written in small parts: so the host is written at most one
/// and a half times as much again, whatever happens.
const ALLOWANCE: u64 = 3;
/// Most that is saved up: 4 GiB.
const SAVINGS: u64 = 1 << 20;

/// Inode, and number of the part in the file.
pub type Part = (u64, u64);

/// Why parts are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// So that they are read quickly, at a bounded cost.
    Reading,
    /// The volume is nearly full: pieces of which overwrites left half or less are set free.
    Tight,
    /// It is full, and somebody waits for space: any block that comes free counts.
    Full,
    /// Somebody asked for it.
    Asked,
}

/// Reasons that there are.
const REASONS: usize = 4;

struct Noted {
    /// Small extents that it got.
    extents: u32,
    /// How many of them it had when it was last found not to be worth the work, for each reason.
    passed: [u32; REASONS],
    round: u64,
}

/// What is known.
#[derive(Default)]
pub struct Scattered {
    noted: BTreeMap<Part, Noted>,
    round: u64,
    halves: u64,
    missed: bool,
}

impl Scattered {
    /// A small extent of so many blocks was put at a block of a file.
    pub fn note(&mut self, inode: u64, at: u64, blocks: u32) {
        self.note_extents((inode, at / PART), 1);
        self.save(u64::from(blocks));
    }

    /// A part was found in so many runs: they once were small writes.
    pub fn found(&mut self, part: Part, runs: u32) {
        self.note_extents(part, runs);
        self.save(u64::from(runs));
    }

    fn note_extents(&mut self, part: Part, extents: u32) {
        let round = self.round;
        if self.noted.len() >= MOST && !self.noted.contains_key(&part) {
            let worth = |noted: &Noted| noted.passed == [0; REASONS] || noted.has_news(Why::Reading);
            self.noted.retain(|_, noted| worth(noted));
            if self.noted.len() >= MOST {
                self.missed = true;
                return;
            }
        }
        let noted = self.noted.entry(part).or_insert(Noted {
            extents: 0,
            passed: [0; REASONS],
            round,
        });
        noted.extents = noted.extents.saturating_add(extents);
        noted.round = round;
    }

    fn save(&mut self, blocks: u64) {
        self.halves = (self.halves + blocks * ALLOWANCE).min(SAVINGS * 2);
    }

    /// Another round begins.
    pub fn turn(&mut self) {
        self.round += 1;
    }

    /// The part to look at next.
    pub fn next(&self, why: Why) -> Option<Part> {
        let left = |noted: &Noted| why != Why::Reading || self.round >= noted.round + PATIENCE;
        let all = self
            .noted
            .iter()
            .filter(|(_, noted)| noted.has_news(why) && left(noted));
        all.max_by_key(|(_, noted)| noted.extents).map(|(part, _)| *part)
    }

    /// Whether a part of so many blocks may be written anew.
    pub fn affords(&self, blocks: u64) -> bool {
        self.halves >= blocks * 2
    }

    /// A part of so many blocks was written anew.
    pub fn gathered(&mut self, part: Part, blocks: u64) {
        self.noted.remove(&part);
        self.halves = self.halves.saturating_sub(blocks * 2);
    }

    /// There is nothing to do for a part, until more is written to it.
    pub fn pass(&mut self, part: Part, why: Why) {
        if let Some(noted) = self.noted.get_mut(&part) {
            noted.passed[why as usize] = noted.extents;
        }
    }

    /// Whether there was more to note than is remembered; asked once.
    pub fn take_missed(&mut self) -> bool {
        std::mem::take(&mut self.missed)
    }
}

impl Noted {
    /// Whether it got enough small extents to be looked at, or looked at again.
    fn has_news(&self, why: Why) -> bool {
        let passed = self.passed[why as usize];
        let news = match why {
            Why::Reading if passed == 0 => RUNS,
            Why::Reading | Why::Tight if passed > 0 => NEWS,
            _ => 1,
        };
        self.extents >= passed + news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_scattered_part_that_was_left_alone_comes_first() {
        let mut scattered = Scattered::default();
        (0..RUNS - 1).for_each(|at| scattered.note(1, at.into(), 1));
        (0..RUNS).for_each(|at| scattered.note(2, at.into(), 1));
        (0..=RUNS).for_each(|at| scattered.note(3, PART + u64::from(at), 1));
        assert_eq!(scattered.next(Why::Reading), None, "they were just written");
        assert_eq!(scattered.next(Why::Tight), Some((3, 1)));
        (0..PATIENCE).for_each(|_| scattered.turn());
        scattered.note(3, PART, 1);
        assert_eq!(
            scattered.next(Why::Reading),
            Some((2, 0)),
            "the other was written again"
        );
        scattered.pass((2, 0), Why::Reading);
        assert_eq!(scattered.next(Why::Reading), None);
        assert_eq!(scattered.next(Why::Tight), Some((3, 1)));
        scattered.pass((3, 1), Why::Tight);
        scattered.pass((2, 0), Why::Tight);
        assert_eq!(scattered.next(Why::Tight), Some((1, 0)));
        scattered.note(3, PART, 1);
        assert_eq!(scattered.next(Why::Tight), Some((1, 0)), "one more is no news");
        (1..NEWS).for_each(|_| scattered.note(3, PART, 1));
        assert_eq!(scattered.next(Why::Tight), Some((3, 1)));
        assert_eq!(scattered.next(Why::Full), Some((3, 1)));
        scattered.gathered((3, 1), 0);
        assert_eq!(scattered.next(Why::Full), Some((2, 0)));
        scattered.pass((2, 0), Why::Full);
        scattered.note(2, 0, 1);
        assert_eq!(
            scattered.next(Why::Full),
            Some((2, 0)),
            "to who is short of space it is"
        );
    }

    #[test]
    fn no_more_is_written_anew_than_small_writes_allow() {
        let mut scattered = Scattered::default();
        scattered.note(1, 0, 10);
        assert!(scattered.affords(15));
        assert!(!scattered.affords(16));
        scattered.gathered((1, 0), 15);
        assert!(!scattered.affords(1));
        scattered.found((1, 0), 2);
        assert!(scattered.affords(3) && !scattered.affords(4));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut scattered = Scattered::default();
        (0..MOST as u64).for_each(|part| scattered.note(1, part * PART, 1));
        assert!(!scattered.take_missed());
        scattered.note(2, 0, 1);
        assert_eq!(scattered.noted.len(), MOST);
        assert!(scattered.take_missed() && !scattered.take_missed());
        scattered.pass((1, 7), Why::Reading);
        scattered.note(2, 0, 1);
        assert!(!scattered.take_missed(), "what is not worth it makes room");
        assert!(scattered.noted.contains_key(&(2, 0)));
    }
}
