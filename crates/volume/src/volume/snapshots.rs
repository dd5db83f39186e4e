//! Snapshots: a checkpoint's tree under a name.
//!
//! A block that the tree no longer has is needed by a snapshot that has the block's birth behind or at its own
//! generation. It then goes to the dead list of the newest snapshot of that moment, and is freed when the last snapshot
//! between its birth and that one is deleted. So a deletion looks at what it frees, and never at the rest. Snapshots and
//! dead lists change with checkpoints only: the log has nothing of them.

use super::Volume;
use super::names::check_new_name;
use super::room::Need;
use crate::Error;
use crate::format::inode::Time;
use crate::format::key::{Key, Kind};
use crate::format::snapshot::{self, Grave, RUNS, Run, Snapshot};
use crate::store::place;
use crate::tree::Tree;

/// Values of dead lists that one checkpoint of a deletion frees.
const BATCH: usize = 64;

/// A snapshot, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its name.
    pub name: Vec<u8>,
    /// Generation of the checkpoint that it is.
    pub generation: u64,
    /// When it was taken, by the machine's clock.
    pub taken: Time,
}

impl Volume {
    /// Keeps the volume as it is now under a name. It is durable and anchored when this returns.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::NoSpace`], [`Error::NameTooLong`], [`Error::Invalid`] for what is no name, and those
    /// of [`Self::sync`]: then [`Self::snapshots`] says whether it is there.
    pub fn create_snapshot(&mut self, name: &[u8]) -> Result<SnapshotInfo, Error> {
        self.check_finished()?;
        let now = self.clock.now();
        self.keep_as(name, now, |_| Ok(()))
    }

    /// The same, of a state that was taken at some time; what `also` does comes with the checkpoint that has the snapshot first.
    pub(super) fn keep_as(
        &mut self,
        name: &[u8],
        taken: Time,
        also: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<SnapshotInfo, Error> {
        check_new_name(name).map_err(|error| match error {
            Error::NameTooLong => error,
            _ => Error::Invalid,
        })?;
        if self.all_snapshots()?.iter().any(|snapshot| snapshot.name == name) {
            return Err(Error::Exists);
        }
        self.admit(Need::OPERATION)?;
        if self.is_unchanged() {
            self.move_anchor()?;
        } else {
            self.checkpoint()?;
        }
        let snapshot = Snapshot {
            generation: self.slot.head.generation,
            going: false,
            level: self.slot.body.level,
            root: self.slot.body.root,
            taken,
            name: name.to_vec(),
        };
        // From here on nothing of it is freed, the nodes that the next line changes included.
        self.space.pin(snapshot.generation);
        let put = self.put_snapshot(&snapshot).and_then(|()| also(self));
        self.latch(put)?;
        self.checkpoint()?;
        self.anchored.flush()?;
        Ok(info(snapshot))
    }

    /// All snapshots, the oldest first.
    ///
    /// # Errors
    /// [`Error::Tampered`].
    pub fn snapshots(&mut self) -> Result<Vec<SnapshotInfo>, Error> {
        Ok(self.active_snapshots()?.into_iter().map(info).collect())
    }

    /// Deletes a snapshot and frees what only it needs. Where that is interrupted, the next mount for writing ends it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NoSpace`], and those of [`Self::sync`].
    pub fn delete_snapshot(&mut self, name: &[u8]) -> Result<(), Error> {
        self.check_writable()?;
        let mut active = self.active_snapshots()?;
        let at = active.iter().position(|snapshot| snapshot.name == name);
        let mut snapshot = active.remove(at.ok_or(Error::NotFound)?);
        self.batch()?;
        if !self.is_unchanged() {
            // What died so far is on the list of the snapshot that was the newest.
            self.checkpoint()?;
        }
        self.space.pin(active.last().map_or(0, |newest| newest.generation));
        snapshot.going = true;
        let put = self.put_snapshot(&snapshot);
        self.latch(put)?;
        self.drain(&snapshot)?;
        self.anchored.flush()
    }

    /// On a mount for reading: shows a snapshot from now on, and nothing of what came after it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Tampered`]; [`Error::Invalid`] on a mount for writing.
    pub fn show_snapshot(&mut self, name: &[u8]) -> Result<SnapshotInfo, Error> {
        if self.writable {
            return Err(Error::Invalid);
        }
        let active = self.active_snapshots()?;
        let found = active.into_iter().find(|snapshot| snapshot.name == name);
        let snapshot = found.ok_or(Error::NotFound)?;
        self.tree = Tree::of(snapshot.level, snapshot.root);
        self.files.clear();
        (self.pages, self.shown, self.piece) = (0, None, None);
        (self.snapshot, self.unfinished) = (Some(snapshot.generation), false);
        Ok(info(snapshot))
    }

    /// Those that can be mounted, the oldest first. A snapshot itself has none: what its tree says of them is old.
    pub(super) fn active_snapshots(&mut self) -> Result<Vec<Snapshot>, Error> {
        let all = self.all_snapshots()?;
        Ok(all.into_iter().filter(|snapshot| !snapshot.going).collect())
    }

    pub(super) fn all_snapshots(&mut self) -> Result<Vec<Snapshot>, Error> {
        let mut all = Vec::new();
        if self.snapshot.is_some() {
            return Ok(all);
        }
        let mut from = Key::new(Kind::Snapshot, 0, 0);
        while let Some((key, value)) = self
            .tree
            .next(&mut self.store, from)?
            .filter(|(key, _)| key.kind == Kind::Snapshot)
        {
            let snapshot = Snapshot::decode(key, &value, self.store.roots);
            all.push(snapshot.map_err(|malformed| Error::malformed(malformed, "the tree"))?);
            from = Key::new(Kind::Snapshot, key.inode + 1, 0);
        }
        Ok(all)
    }

    /// Generation of the newest, 0 without one.
    pub(super) fn newest_snapshot(&mut self) -> Result<u64, Error> {
        Ok(self.active_snapshots()?.last().map_or(0, |newest| newest.generation))
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let value = snapshot.encode(self.store.roots);
        let (tree, mut context) = self.edit();
        tree.put(&mut context, snapshot.key(), value)
    }

    /// Takes in what died since the last look: the dead lists have it when the checkpoint is written.
    pub(super) fn bury(&mut self) -> Result<(), Error> {
        let newest = self.space.pinned();
        for (birth, runs) in self.space.take_dead() {
            self.bury_born(Grave::last(newest, birth), runs)?;
        }
        Ok(())
    }

    /// Adds runs to the last value of a birth, and to new ones behind it.
    fn bury_born(&mut self, last: Grave, mut runs: Vec<Run>) -> Result<(), Error> {
        let upper = last.key().ok_or(Error::NoSpace)?;
        let found = self.tree.floor(&mut self.store, upper)?;
        let found = found.map(|(key, value)| (key.kind, Grave::of(key), value));
        let mut grave = Grave { part: 0, ..last };
        if let Some((Kind::Dead, there, value)) = found {
            if (there.snapshot, there.birth) == (last.snapshot, last.birth) {
                let held = snapshot::runs(&value).map_err(|malformed| Error::malformed(malformed, "a dead list"))?;
                grave = there;
                if held.len() < RUNS {
                    runs.splice(0..0, held);
                } else {
                    grave.part += 1;
                }
            }
        }
        for runs in runs.chunks(RUNS) {
            let key = grave.key().ok_or(Error::NoSpace)?;
            let (tree, mut context) = self.edit();
            tree.put(&mut context, key, snapshot::encode_runs(runs))?;
            grave.part += 1;
        }
        Ok(())
    }

    /// Ends what a crash interrupted. Where there is no room for that, another mount will have some.
    pub(super) fn finish_deletions(&mut self) -> Result<(), Error> {
        for snapshot in self.all_snapshots()?.iter().filter(|snapshot| snapshot.going) {
            match self.drain(snapshot) {
                Err(Error::NoSpace) => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    /// Frees what only this snapshot needs, a checkpoint for each batch; the last takes the snapshot itself.
    fn drain(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        loop {
            let most = self.batch()?;
            let batch = self.only_of(snapshot.generation, most)?;
            let freed = self.unbury(&batch);
            self.latch(freed)?;
            if batch.len() < most {
                let (tree, mut context) = self.edit();
                let removed = tree.remove(&mut context, snapshot.key()).map(drop);
                self.latch(removed)?;
                return self.checkpoint();
            }
            self.checkpoint()?;
        }
    }

    /// Values of dead lists, so many at most, that no other snapshot needs: born after the one before, and gone before
    /// the one behind was taken.
    fn only_of(&mut self, generation: u64, most: usize) -> Result<Vec<(Key, Vec<u8>)>, Error> {
        let active = self.active_snapshots()?;
        let generations = active.iter().map(|snapshot| snapshot.generation);
        let before = generations
            .clone()
            .filter(|other| *other < generation)
            .max()
            .unwrap_or(0);
        let behind = generations
            .filter(|other| *other > generation)
            .min()
            .unwrap_or(u64::MAX);
        let mut found = Vec::new();
        let mut from = Some(born_after(generation, before));
        while let Some((key, value)) = from
            .and_then(|from| self.tree.next(&mut self.store, from).transpose())
            .transpose()?
        {
            let grave = Grave::of(key);
            if key.kind != Kind::Dead || grave.snapshot >= behind || found.len() == most {
                break;
            }
            from = Some(match grave.birth {
                birth if birth <= before => born_after(grave.snapshot, before),
                birth if birth > generation => born_after(grave.snapshot + 1, before),
                _ => {
                    found.push((key, value));
                    Key::new(key.kind, key.inode, key.offset + 1)
                }
            });
        }
        Ok(found)
    }

    fn unbury(&mut self, batch: &[(Key, Vec<u8>)]) -> Result<(), Error> {
        let generation = self.generation();
        for (key, value) in batch {
            let runs = snapshot::runs(value).map_err(|malformed| Error::malformed(malformed, "a dead list"))?;
            for (address, count) in runs {
                let freed = self.space.free(address, count, generation);
                freed.map_err(|malformed| Error::malformed(malformed, place(address)))?;
            }
            let (tree, mut context) = self.edit();
            tree.remove(&mut context, *key)?;
        }
        Ok(())
    }

    /// How many values one checkpoint can free with the room that is there, after one that lets go of what waits for it.
    fn batch(&mut self) -> Result<usize, Error> {
        if self.room_for_values() < BATCH {
            self.checkpoint()?;
        }
        match self.room_for_values() {
            0 => Err(Error::NoSpace),
            room => Ok(room),
        }
    }

    /// A value that goes changes its leaf and the one that this is joined with.
    fn room_for_values(&self) -> usize {
        let nodes = self.space.free_quads().saturating_sub(self.nodes_needed());
        usize::try_from(nodes / 2).unwrap_or(BATCH).min(BATCH)
    }
}

/// Where a dead list's blocks begin that were born after a generation.
fn born_after(snapshot: u64, generation: u64) -> Key {
    let first = Grave {
        snapshot,
        birth: generation + 1,
        part: 0,
    };
    first.key().unwrap_or(Key::new(Kind::Dead, snapshot + 1, 0))
}

fn info(snapshot: Snapshot) -> SnapshotInfo {
    SnapshotInfo {
        name: snapshot.name,
        generation: snapshot.generation,
        taken: snapshot.taken,
    }
}
