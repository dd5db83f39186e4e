//! Two clocks that nobody can set.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

fn nanoseconds(time: Timespec) -> u64 {
    // Both clocks count from the machine's start and are never negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or_default())
}

/// CLOCK_MONOTONIC in nanoseconds: for measurements.
#[must_use]
pub fn monotonic() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CLOCK_BOOTTIME: goes on while the machine sleeps, so that a lease does not last longer because of it.
#[must_use]
pub fn since_boot() -> Duration {
    Duration::from_nanos(nanoseconds(clock_gettime(ClockId::Boottime)))
}

/// A point of time for the kernel.
#[must_use]
pub fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}
