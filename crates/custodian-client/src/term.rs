//! How long a lease lasts and when it is renewed, as a matter of numbers: nothing here reads a clock.
//!
//! All times are durations since the machine's start.

use std::time::Duration;

/// A renewal is tried when this part of the lease is over: two more tries fit in.
const RENEW_AFTER: u32 = 3;
/// Part of the lease to wait after a try that failed, and the longest such wait.
const RETRY_AFTER: u32 = 30;
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// Shortest wait between two tries: a lease of a few seconds must not flood the custodian.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// One lease, from its first grant on.
///
/// Whatever the custodian grants counts from the moment when it was *first* asked for: the custodian counts from when it
/// first decided, which was later, and repeats that answer when its reply was lost. Counting from the repeat would let
/// whoever withholds replies stretch a lease beyond what the custodian believes.
#[derive(Debug)]
pub struct Term {
    length: Duration,
    end: Duration,
    next: Duration,
    pending: Option<Duration>,
}

impl Term {
    /// Granted for `length` upon being asked at `asked`.
    pub fn new(asked: Duration, length: Duration) -> Self {
        Self {
            length,
            end: asked + length,
            next: asked + length / RENEW_AFTER,
            pending: None,
        }
    }

    /// When it is over, unless renewed.
    pub fn end(&self) -> Duration {
        self.end
    }

    /// When to try next, at `now`.
    pub fn next_try(&self, now: Duration) -> Duration {
        self.next.max(now + SHORTEST_WAIT)
    }

    /// The custodian is asked at `now`, for the first time or again.
    pub fn asked(&mut self, now: Duration) {
        self.pending.get_or_insert(now);
    }

    /// It granted what it was asked for.
    pub fn granted(&mut self, length: Duration) {
        if let Some(asked) = self.pending.take() {
            *self = Self::new(asked, length);
        }
    }

    /// No answer, at `now`; or none that could be believed.
    pub fn failed(&mut self, now: Duration) {
        self.next = now + (self.length / RETRY_AFTER).min(LONGEST_RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lease_counts_from_when_it_was_asked_for_and_is_renewed_after_a_third() {
        let mut term = Term::new(s(1000), s(300));
        assert_eq!((term.end(), term.next_try(s(1002))), (s(1300), s(1100)));
        term.asked(s(1100));
        term.granted(s(600));
        assert_eq!((term.end(), term.next_try(s(1101))), (s(1700), s(1300)));
    }

    #[test]
    fn a_grant_whose_reply_was_withheld_counts_from_the_first_try() {
        let mut term = Term::new(s(1000), s(300));
        for now in [1100, 1110, 1290] {
            term.asked(s(now));
            term.failed(s(now));
            assert_eq!(term.end(), s(1300));
        }
        term.asked(s(1299));
        term.granted(s(300));
        assert_eq!(term.end(), s(1400));
        // What is asked for next has a new number, and counts from then.
        term.asked(s(1299));
        term.granted(s(300));
        assert_eq!(term.end(), s(1599));
    }

    #[test]
    fn a_grant_that_nobody_asked_for_changes_nothing() {
        let mut term = Term::new(s(1000), s(300));
        term.granted(s(900));
        assert_eq!(term.end(), s(1300));
    }

    #[test]
    fn tries_keep_a_distance_however_short_or_long_the_lease_is() {
        let mut short = Term::new(s(10), s(1));
        short.failed(s(10));
        assert_eq!(short.next_try(s(10)), s(10) + SHORTEST_WAIT);
        let mut long = Term::new(s(0), s(86_400));
        long.failed(s(30_000));
        assert_eq!(long.next_try(s(30_000)), s(30_010));
    }
}
