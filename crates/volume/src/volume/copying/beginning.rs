//! Which copy this will be, and whether it may be.

use std::mem;

use super::super::Volume;
use super::CopyOf;
use crate::Error;
use crate::format::Roots;
use crate::format::inode::Time;
use crate::format::key::{Key, Kind};
use crate::format::origin::{Origin, Progress, State, UnderWay};
use crate::format::snapshot::Snapshot;
use crate::seal::sha256;
use crate::tree::{Difference, Tree};
use crate::volume::ROOT;

/// A state of the source, and the one before.
pub struct Wanted {
    pub state: State,
    pub tree: Tree,
    /// The snapshot's name; empty where the source's newest state is copied.
    name: Vec<u8>,
    /// When it was taken: the copy of a snapshot is no newer.
    pub taken: Time,
    since: Option<State>,
    /// Without files where the whole is copied.
    pub before: Tree,
}

/// What is to be done.
pub enum Begun {
    /// Nothing: the target has it.
    Before,
    /// The whole of it.
    Now(UnderWay),
    /// The rest of what somebody began.
    Again(UnderWay),
}

/// Behind all keys of files; and behind those of files without a name.
pub const FILES: Key = Key::new(Kind::Orphan, 0, 0);
const ORPHANS: Key = Key::new(Kind::Snapshot, 0, 0);

impl Wanted {
    pub fn of(source: &mut Volume, what: CopyOf<'_>) -> Result<Self, Error> {
        if source.snapshot.is_some() {
            return Err(Error::Invalid);
        }
        let since = what.since.map(|name| source.snapshot_state(name)).transpose()?;
        let (since, before) = since.map_or((None, Tree::empty()), |(state, tree)| (Some(state), tree));
        let (state, tree) = match what.snapshot {
            Some(name) => source.snapshot_state(name)?,
            None => source.newest_state()?,
        };
        let taken = source.time_of(what.snapshot)?;
        Ok(Self {
            state,
            tree,
            name: what.snapshot.unwrap_or_default().to_vec(),
            taken,
            since,
            before,
        })
    }

    fn under_way(&self) -> UnderWay {
        UnderWay {
            since: self.since_identity(),
            next: Key::FIRST,
            name: self.name.clone(),
        }
    }

    /// Whether what the source's mount has is copied, and not a snapshot.
    pub fn is_newest(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether everything is sent, and not what changed.
    pub fn is_whole(&self) -> bool {
        self.since.is_none()
    }

    fn since_identity(&self) -> [u8; 32] {
        self.since.map_or([0; 32], |state| state.identity)
    }
}

impl Volume {
    fn snapshot_state(&mut self, name: &[u8]) -> Result<(State, Tree), Error> {
        let active = self.active_snapshots()?;
        let found = active.into_iter().find(|snapshot| snapshot.name == name);
        let found = found.ok_or_else(|| refused(format!("the source has no snapshot {}", shown(name))))?;
        let state = State {
            volume: self.identity(),
            generation: found.generation,
            identity: identity(&self.identity(), &found, self.roots()),
        };
        Ok((state, Tree::of(found.level, found.root)))
    }

    /// When a snapshot was taken; now where there is none.
    fn time_of(&mut self, snapshot: Option<&[u8]>) -> Result<Time, Error> {
        let found = self.active_snapshots()?.into_iter();
        let found = found.rev().find(|found| Some(found.name.as_slice()) == snapshot);
        Ok(found.map_or_else(|| self.clock.now(), |found| found.taken))
    }

    /// What is mounted; its tree is taken out of the mount.
    fn newest_state(&mut self) -> Result<(State, Tree), Error> {
        self.check_finished()?;
        let state = State {
            volume: self.identity(),
            generation: self.slot.head.generation,
            identity: self.slot.root(&self.log.head),
        };
        Ok((state, mem::replace(&mut self.tree, Tree::empty())))
    }

    /// Decides what copying a state into this volume means, or refuses.
    pub(super) fn begin(&mut self, wanted: &Wanted) -> Result<Begun, Error> {
        if self.identity() == wanted.state.volume {
            return Err(refused("source and target are one volume: name another target".into()));
        }
        let begun = match self.stored_origin()? {
            None => self.begin_first(wanted),
            Some(origin) if origin.source.volume != wanted.state.volume => Err(refused(format!(
                "the target is a copy of another volume, {}: name that source, or a new target",
                hex(&origin.source.volume)
            ))),
            Some(Origin {
                source,
                progress: Progress::UnderWay(under_way),
            }) => resume(source, under_way, wanted),
            Some(Origin {
                source,
                progress: Progress::Whole(generation),
            }) => self.begin_next(source, generation, wanted),
        }?;
        let taken = !matches!(begun, Begun::Before) && self.has_snapshot(&wanted.name)?;
        if taken {
            let name = shown(&wanted.name);
            return Err(refused(format!(
                "the target has a snapshot {name} already: delete it there first"
            )));
        }
        Ok(begun)
    }

    fn begin_first(&mut self, wanted: &Wanted) -> Result<Begun, Error> {
        if wanted.since.is_some() {
            let why = "the target is no copy yet: copy the whole first, without saying since when";
            return Err(refused(why.into()));
        }
        if self.has_files()? {
            return Err(refused("the target has files of its own: name a new one".into()));
        }
        Ok(Begun::Now(wanted.under_way()))
    }

    /// The target is a whole copy already.
    fn begin_next(&mut self, source: State, generation: u64, wanted: &Wanted) -> Result<Begun, Error> {
        let has = format!("the target is a copy of generation {}", source.generation);
        let same = source == wanted.state;
        match wanted.since {
            _ if same => {}
            None => {
                let cure = "say since which snapshot, or name a new target";
                return Err(refused(format!("{has} already: {cure}")));
            }
            Some(since) if since != source => {
                let since = since.generation;
                return Err(refused(format!(
                    "{has}, not of {since}: name the snapshot that it is a copy of"
                )));
            }
            Some(_) => {}
        }
        if self.was_written_since(generation)? {
            let why = "was changed since, or its snapshot of that state was deleted: name a new target";
            return Err(refused(format!("{has}, and {why}")));
        }
        Ok(if same {
            Begun::Before
        } else {
            Begun::Now(wanted.under_way())
        })
    }

    /// Whether files are not as they were when a copy was whole, in the checkpoint of a generation.
    fn was_written_since(&mut self, generation: u64) -> Result<bool, Error> {
        if self.is_unchanged() && self.slot.head.generation == generation {
            return Ok(false);
        }
        // The checkpoint before is the copy's snapshot.
        let snapshots = self.active_snapshots()?.into_iter();
        let kept = snapshots.rev().find(|snapshot| snapshot.generation + 1 == generation);
        let Some(kept) = kept.filter(|_| self.files.is_empty()) else {
            return Ok(true);
        };
        let kept = Tree::of(kept.level, kept.root);
        let mut difference = Difference::new(&kept, &self.tree, Key::FIRST, ORPHANS);
        Ok(difference.next(&mut self.store)?.is_some())
    }

    /// Whether anything is there but an empty root directory.
    fn has_files(&mut self) -> Result<bool, Error> {
        let nothing = Tree::empty();
        let root = Key::new(Kind::Inode, ROOT, 0);
        let mut difference = Difference::new(&nothing, &self.tree, Key::FIRST, ORPHANS);
        while let Some(changed) = difference.next(&mut self.store)? {
            if changed.key != root {
                return Ok(true);
            }
        }
        Ok(!self.files.is_empty())
    }

    fn has_snapshot(&mut self, name: &[u8]) -> Result<bool, Error> {
        Ok(self.all_snapshots()?.iter().any(|snapshot| snapshot.name == name))
    }
}

/// A copy that is under way goes on if it is this one.
fn resume(source: State, under_way: UnderWay, wanted: &Wanted) -> Result<Begun, Error> {
    let same = under_way.since == wanted.since_identity() && under_way.name == wanted.name;
    if source == wanted.state && same {
        return Ok(Begun::Again(under_way));
    }
    let of = match under_way.name.as_slice() {
        b"" => format!("the source's state in generation {}", source.generation),
        name => format!("the source's snapshot {}", shown(name)),
    };
    Err(refused(format!(
        "the target is an unfinished copy of {of}: run that copy again, or, where the source has this no more, name a \
         new target"
    )))
}

/// Binds all of a snapshot.
fn identity(volume: &[u8; 16], snapshot: &Snapshot, roots: Roots) -> [u8; 32] {
    let mut root = Vec::new();
    snapshot.root.encode(&mut root, roots);
    sha256(&[
        b"casemate/volume/snapshot/v1",
        volume,
        &snapshot.generation.to_le_bytes(),
        &[snapshot.level],
        &root,
    ])
}

fn refused(why: String) -> Error {
    Error::NotCopied(why)
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
