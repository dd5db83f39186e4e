//! Snapshots, and lists of blocks that only snapshots need.

use super::bytes::{Put, Reader, check, short};
use super::inode::Time;
use super::key::{Key, Kind};
use super::node::LEVELS;
use super::pointer::Pointer;
use super::{Malformed, NAME, Roots};

/// A checkpoint's tree under a name. Its key has the checkpoint's generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub generation: u64,
    /// It is being deleted: some of its blocks may be gone.
    pub going: bool,
    pub level: u8,
    pub root: Pointer,
    pub taken: Time,
    pub name: Vec<u8>,
}

impl Snapshot {
    pub fn key(&self) -> Key {
        Key::new(Kind::Snapshot, self.generation, 0)
    }

    pub fn decode(key: Key, bytes: &[u8], roots: Roots) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let (level, going) = (reader.u8()?, reader.u8()?);
        check(level < LEVELS, "the tree of a snapshot is too deep")?;
        check(going <= 1 && reader.u16()? == 0, "a reserved byte is set")?;
        let (seconds, nanoseconds) = (reader.i64()?, reader.u32()?);
        check(nanoseconds < 1_000_000_000, "a time has too many nanoseconds")?;
        let root = Pointer::decode(&mut reader, roots)?;
        let length = reader.u8()?.into();
        let name = reader.bytes(length)?.to_vec();
        check(!name.is_empty() && key.offset == 0, "a snapshot has no name")?;
        reader.end()?;
        Ok(Self {
            generation: key.inode,
            going: going == 1,
            level,
            root,
            taken: Time { seconds, nanoseconds },
            name,
        })
    }

    pub fn encode(&self, roots: Roots) -> Vec<u8> {
        debug_assert!(self.name.len() <= NAME, "the engine refuses longer names");
        let mut out = Vec::new();
        out.put_u8(self.level).put_u8(self.going.into()).put_u16(0);
        out.put_i64(self.taken.seconds).put_u32(self.taken.nanoseconds);
        self.root.encode(&mut out, roots);
        out.put_u8(short(self.name.len())).put(&self.name);
        out
    }
}

/// Blocks in a row.
pub type Run = (u64, u32);

/// Most runs of one value.
pub const RUNS: usize = super::node::VALUE / 12;
/// Greatest birth of which a key has room, and greatest number of values of one birth.
const BIRTHS: u64 = 1 << 40;
const PARTS: u64 = 1 << 22;

/// Which blocks a value of a dead list holds: born in one generation, gone from the tree when one snapshot was the
/// newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grave {
    /// Generation of that snapshot.
    pub snapshot: u64,
    pub birth: u64,
    /// Several values may hold what one does not.
    pub part: u64,
}

impl Grave {
    pub fn of(key: Key) -> Self {
        Self {
            snapshot: key.inode,
            birth: key.offset / PARTS,
            part: key.offset % PARTS,
        }
    }

    /// `None` beyond what a key has room for.
    pub fn key(self) -> Option<Key> {
        let fits = self.birth < BIRTHS && self.part < PARTS;
        fits.then(|| Key::new(Kind::Dead, self.snapshot, self.birth * PARTS + self.part))
    }

    /// The last that may be there with this snapshot and birth.
    pub fn last(snapshot: u64, birth: u64) -> Self {
        Self {
            snapshot,
            birth,
            part: PARTS - 1,
        }
    }

    /// Whether the snapshot of a generation has the blocks.
    pub fn is_needed_by(self, generation: u64) -> bool {
        (self.birth..=self.snapshot).contains(&generation)
    }
}

/// The runs of a value.
pub fn runs(bytes: &[u8]) -> Result<Vec<Run>, Malformed> {
    let mut reader = Reader(bytes);
    let mut runs = Vec::new();
    while !reader.0.is_empty() {
        let run = (reader.u64()?, reader.u32()?);
        check(
            run.1 > 0 && run.0.checked_add(run.1.into()).is_some(),
            "a run of blocks is out of bounds",
        )?;
        runs.push(run);
    }
    check(!runs.is_empty(), "a list of runs is empty")?;
    Ok(runs)
}

/// The value that holds runs.
pub fn encode_runs(runs: &[Run]) -> Vec<u8> {
    let mut out = Vec::with_capacity(runs.len() * 12);
    for (address, count) in runs {
        out.put_u64(*address).put_u32(*count);
    }
    out
}
