//! A volume under another key: written anew beside the old one, as a volume of its own with another identity, which
//! then takes its place.
//!
//! 1. the old volume is opened for writing: nobody else has it from here on
//! 2. everything is written anew under the new key: snapshots, the oldest first, and the newest state; then read back
//! 3. the anchor gives way to the new volume's: the one moment before which the volume is the old one, and the new after
//! 4. the folders are exchanged
//! 5. the old one's files are deleted
//!
//! Whoever is interrupted begins again: before the third step from the first on, and after it with the fourth. Which
//! of both it is says the anchor, never the host.

mod files;
mod sibling;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::Path;

use casemate_volume::host::Folder;
use casemate_volume::{CopyOf, Form, Volume};

use crate::{Failure, Listener};
pub use files::Files;
use sibling::Sibling;

/// What a new volume needs beyond what the old one has in use.
const SPARE: u64 = 16 << 20;

/// Where the keys and anchors of both volumes are.
pub trait Sides {
    /// The volume in `folder`, for reading, if it is the new one and the anchor says so.
    ///
    /// # Errors
    /// Why it is not.
    fn committed(&self, folder: &Path) -> Result<Volume, Failure>;

    /// Whether a committed volume is what is asked for. If not, there is another new key by now, and finishing what was
    /// interrupted is only the beginning.
    fn is_for_good(&self) -> bool;

    /// The old volume in `folder`, for writing.
    ///
    /// # Errors
    /// Why nobody else is kept out of it.
    fn write_old(&self, folder: &Path) -> Result<Volume, Failure>;

    /// Removes the new anchor that an earlier attempt left, if there was one.
    ///
    /// # Errors
    /// What is there and no earlier attempt left, or from the host.
    fn forget(&self, attempted: bool) -> Result<(), Failure>;

    /// Makes the new volume in `folder`, under an anchor of its own.
    ///
    /// # Errors
    /// As of making any volume.
    fn create(&self, folder: &Path, form: &Form) -> Result<(), Failure>;

    /// The new volume in `folder` under that anchor, for writing.
    ///
    /// # Errors
    /// As of opening any volume.
    fn write_new(&self, folder: &Path) -> Result<Volume, Failure>;

    /// As [`Self::write_new`], for reading.
    ///
    /// # Errors
    /// As of opening any volume.
    fn read_new(&self, folder: &Path) -> Result<Volume, Failure>;

    /// Puts the new volume's anchor in the place of that of `old`, which nobody changed since.
    ///
    /// # Errors
    /// Why that did not happen.
    fn commit(&self, old: &Volume) -> Result<(), Failure>;
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// Identity of the new volume.
    pub volume: [u8; 16],
    /// Snapshots that it has.
    pub snapshots: usize,
    /// What an earlier attempt had done but for the end was finished, and nothing more.
    pub finished: bool,
}

/// Gives the volume in `folder` another key.
///
/// # Errors
/// Why nothing changed; [`Failure::Unfinished`] where the new key counts and the same call does what is left.
pub fn rekey(sides: &dyn Sides, folder: &Path, listener: Listener<'_>) -> Result<Rekeyed, Failure> {
    let rekeying = Rekeying::new(sides, folder)?;
    if let Some(rekeyed) = rekeying.finish_earlier()? {
        return Ok(rekeyed);
    }
    let old = rekeying.take_old()?;
    let (old, rekeyed) = rekeying.write_anew(old, listener)?;
    rekeying.commit(&old)?;
    // It keeps others out until the folder has its new name.
    let ended = rekeying.sibling.exchange();
    drop(old);
    let ended = ended.and_then(|()| rekeying.sibling.discard());
    ended.map_err(|failure| Failure::Unfinished(Box::new(failure)))?;
    Ok(rekeyed)
}

struct Rekeying<'s> {
    sides: &'s dyn Sides,
    sibling: Sibling,
}

impl<'s> Rekeying<'s> {
    fn new(sides: &'s dyn Sides, folder: &Path) -> Result<Self, Failure> {
        let sibling = Sibling::of(folder)?;
        Ok(Self { sides, sibling })
    }

    /// What an earlier attempt had done up to its third step at least, if that is what is asked for.
    fn finish_earlier(&self) -> Result<Option<Rekeyed>, Failure> {
        if self.sibling.is_there() && self.sides.committed(self.sibling.beside()).is_ok() {
            let locks = [self.sibling.folder(), self.sibling.beside()].map(Folder::write);
            for lock in &locks {
                lock.as_ref().map_err(|error| Failure::Volume(error.clone()))?;
            }
            self.sibling.exchange()?;
        }
        if !self.sides.is_for_good() {
            return Ok(None);
        }
        let Ok(mut volume) = self.sides.committed(self.sibling.folder()) else {
            return Ok(None);
        };
        self.sides.forget(self.sibling.is_left()?)?;
        self.sibling.discard()?;
        self.sibling.unmark()?;
        Ok(Some(Rekeyed {
            volume: volume.identity(),
            snapshots: volume.snapshots()?.len(),
            finished: true,
        }))
    }

    /// The old volume, and room for another one. What an earlier attempt left is gone then.
    fn take_old(&self) -> Result<Volume, Failure> {
        let mut old = self.sides.write_old(self.sibling.folder())?;
        old.sync()?;
        self.give_up(self.sibling.is_left()?)?;
        self.sibling.require_room(used(&old) + old.form().log + SPARE)?;
        Ok(old)
    }

    fn write_anew(&self, mut old: Volume, listener: Listener<'_>) -> Result<(Volume, Rekeyed), Failure> {
        self.sibling.make()?;
        let written = self.copy(&mut old, listener);
        if written.is_err() {
            // The room is wanted back. What stays goes when somebody begins again.
            let _ = self.give_up(true);
        }
        Ok((old, written?))
    }

    fn copy(&self, old: &mut Volume, listener: Listener<'_>) -> Result<Rekeyed, Failure> {
        let beside = self.sibling.beside();
        self.sides.create(beside, &old.form())?;
        // All is written, and all is read.
        let mut told = Told {
            before: 0,
            last: 0,
            total: 2 * used(old),
            listener,
        };
        let mut new = self.sides.write_new(beside)?;
        let names: Vec<_> = old.snapshots()?.into_iter().map(|snapshot| snapshot.name).collect();
        let mut since = None;
        for name in names.iter().map(Vec::as_slice).map(Some).chain([None]) {
            let what = CopyOf { snapshot: name, since };
            new.copy(old, what, &mut |done, _| told.tell(done))?;
            told.next();
            since = name;
        }
        new.unmount()?;
        // The host may have lost what it was given, and the old volume is the last chance to know.
        let mut new = self.sides.read_new(beside)?;
        told.before = used(old);
        new.verify_telling(&mut |done, _| told.tell(done))?;
        self.sibling.take_after()?;
        Ok(Rekeyed {
            volume: new.identity(),
            snapshots: names.len(),
            finished: false,
        })
    }

    fn commit(&self, old: &Volume) -> Result<(), Failure> {
        self.sides.commit(old)
    }

    /// Removes what an attempt left.
    fn give_up(&self, attempted: bool) -> Result<(), Failure> {
        self.sides.forget(attempted)?;
        self.sibling.discard()?;
        self.sibling.unmark()
    }
}

fn used(volume: &Volume) -> u64 {
    let statistics = volume.statistics();
    (statistics.blocks - statistics.free) * statistics.block
}

/// Several pieces of work as one.
struct Told<'l> {
    before: u64,
    last: u64,
    total: u64,
    listener: Listener<'l>,
}

impl Told<'_> {
    fn tell(&mut self, done: u64) -> ControlFlow<()> {
        self.last = done;
        (self.listener)((self.before + done).min(self.total), self.total)
    }

    /// The next piece begins.
    fn next(&mut self) {
        self.before += self.last;
        self.last = 0;
    }
}
