//! What Python gets: plain tuples, which `casemate.volume` makes into its own types.

use casemate_volume::{Attributes, Roots, SnapshotInfo, Statistics, Status, Time};
use rustix::fs::{major, minor};

const SECOND: i128 = 1_000_000_000;

/// Mode, inode, links, owner, group, size, times of access, of content, of change, of creation, device.
pub type Stat = (u32, u64, u32, u32, u32, u64, i128, i128, i128, i128, (u32, u32));

pub fn stat(of: &Attributes) -> Stat {
    (
        of.mode,
        of.inode,
        of.links,
        of.uid,
        of.gid,
        of.size,
        nanoseconds(of.accessed),
        nanoseconds(of.modified),
        nanoseconds(of.changed),
        nanoseconds(of.born),
        (major(of.device), minor(of.device)),
    )
}

/// Name, generation, when it was taken.
pub type Snapshot = (Vec<u8>, u64, i128);

pub fn snapshot(of: &SnapshotInfo) -> Snapshot {
    (of.name.clone(), of.generation, nanoseconds(of.taken))
}

fn nanoseconds(time: Time) -> i128 {
    i128::from(time.seconds) * SECOND + i128::from(time.nanoseconds)
}

/// A time of this many nanoseconds since 1970; nothing where no file has it.
pub fn time(nanoseconds: i128) -> Option<Time> {
    Some(Time {
        seconds: i64::try_from(nanoseconds.div_euclid(SECOND)).ok()?,
        nanoseconds: u32::try_from(nanoseconds.rem_euclid(SECOND)).ok()?,
    })
}

/// Bytes of a block; blocks of the volume, free, available; longest name.
pub fn statistics(of: &Statistics) -> (u64, u64, u64, u64, usize) {
    (of.block, of.blocks, of.free, of.available, of.name)
}

/// What roots bind, newest checkpoint, newest anchored one, groups in the log, fence.
pub fn status(roots: Roots, of: &Status) -> (&'static str, u64, u64, u64, u64) {
    (name(roots), of.generation, of.anchored, of.sequence, of.fence)
}

pub fn name(roots: Roots) -> &'static str {
    match roots {
        Roots::Tag => "tag",
        Roots::Hash => "hash",
    }
}
