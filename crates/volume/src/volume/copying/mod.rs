//! Copying a volume, or one of its snapshots, into another volume under another key, and bringing a copy up to date by
//! what changed since.
//!
//! The tree of the target says what it is a copy of, and while a copy is under way, how far it has come
//! (`format::origin`). Until it is whole, nothing of it is shown ([`Volume::check_finished`]) and nothing is logged: a
//! crash goes back to the last checkpoint, and the same copy goes on from there. What is applied twice changes nothing.

mod beginning;
mod blocks;
mod sending;

use std::mem;
use std::ops::ControlFlow;

use super::Volume;
use super::room::Need;
use crate::Error;
use crate::format::origin::{self, Origin, Progress, State, UnderWay};
use beginning::{Begun, Wanted};
use sending::Sending;

/// Told how many of about how many bytes are done; says whether to go on.
pub type Tell<'t> = &'t mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// Which state of the source is copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyOf<'n> {
    /// A snapshot; what the source's mount has, where there is none. The target then has a snapshot of this name.
    pub snapshot: Option<&'n [u8]>,
    /// A snapshot of the source that the target is a copy of: only what changed since is sent.
    pub since: Option<&'n [u8]>,
}

/// What a copy did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The source's generation that the target now equals.
    pub generation: u64,
    /// Entries of the tree that were set or removed.
    pub entries: u64,
    /// Bytes of files that were sealed.
    pub bytes: u64,
    /// It went on where an earlier one ended.
    pub resumed: bool,
    /// The target had it all before.
    pub already: bool,
}

/// What a volume is a copy of, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginInfo {
    /// The source's identity.
    pub volume: [u8; 16],
    /// Its generation.
    pub generation: u64,
    /// Whether all of it is here.
    pub whole: bool,
}

impl Volume {
    /// Makes this volume a copy of a state of `source`: one that is empty, one that is a copy of what `what.since`
    /// names, or one in which the same copy was begun. It keeps everything, inode numbers included, but for files that
    /// have no name any more. Durable and anchored when this returns. Mount it with [`Self::mount_for_copy`].
    ///
    /// # Errors
    /// [`Error::NotCopied`] with what to do instead; [`Error::NoSpace`], [`Error::Tampered`] of either, and those of
    /// [`Self::sync`]: the same call, of the target mounted again, goes on then.
    pub fn copy(&mut self, source: &mut Self, what: CopyOf<'_>, tell: Tell<'_>) -> Result<Copied, Error> {
        self.check_writable()?;
        if source.writable {
            source.sync()?;
        }
        let mut wanted = Wanted::of(source, what).map_err(|error| source.blame(error))?;
        let outcome = self.copy_wanted(source, &wanted, tell);
        if what.snapshot.is_none() {
            mem::swap(&mut source.tree, &mut wanted.tree);
        }
        outcome
    }

    fn copy_wanted(&mut self, source: &mut Self, wanted: &Wanted, tell: Tell<'_>) -> Result<Copied, Error> {
        let (under_way, resumed) = match self.begin(wanted)? {
            Begun::Before => {
                return Ok(Copied {
                    generation: wanted.state.generation,
                    already: true,
                    ..Copied::default()
                });
            }
            Begun::Now(under_way) => (under_way, false),
            Begun::Again(under_way) => (under_way, true),
        };
        self.unfinished = true;
        if !resumed {
            self.admit(Need::OPERATION)?;
            self.save_copy(wanted.state, &under_way)?;
        }
        let name = under_way.name.clone();
        let mut sending = Sending::new(source, self, wanted, under_way, tell);
        let sent = sending.run();
        let copied = Copied {
            resumed,
            ..sending.copied
        };
        sent?;
        self.end_copy(wanted, &name)?;
        Ok(copied)
    }

    /// A checkpoint that has how far the copy has come.
    fn save_copy(&mut self, source: State, under_way: &UnderWay) -> Result<(), Error> {
        let progress = Progress::UnderWay(under_way.clone());
        let put = self.put_origin(&Origin { source, progress });
        self.latch(put)?;
        self.checkpoint()
    }

    /// The copy is whole from the checkpoint on that has its snapshot.
    fn end_copy(&mut self, wanted: &Wanted, name: &[u8]) -> Result<(), Error> {
        let source = wanted.state;
        let whole = |this: &mut Self| {
            let progress = Progress::Whole(this.generation());
            this.put_origin(&Origin { source, progress })
        };
        if name.is_empty() {
            let put = whole(self);
            self.latch(put)?;
            self.checkpoint()?;
            self.anchored.flush()?;
        } else {
            self.keep_as(name, wanted.taken, whole)?;
        }
        self.unfinished = false;
        Ok(())
    }

    fn put_origin(&mut self, origin: &Origin) -> Result<(), Error> {
        let (tree, mut context) = self.edit();
        tree.put(&mut context, origin::KEY, origin.encode())
    }

    /// What this volume is a copy of, if it is one.
    ///
    /// # Errors
    /// [`Error::Tampered`].
    pub fn origin(&mut self) -> Result<Option<OriginInfo>, Error> {
        let stored = self.stored_origin()?;
        Ok(stored.map(|origin| OriginInfo {
            volume: origin.source.volume,
            generation: origin.source.generation,
            whole: matches!(origin.progress, Progress::Whole(_)),
        }))
    }

    fn stored_origin(&mut self) -> Result<Option<Origin>, Error> {
        let value = self.tree.get(&mut self.store, origin::KEY)?;
        let decoded = value.map(|value| Origin::decode(&value)).transpose();
        decoded.map_err(|malformed| Error::malformed(malformed, "the tree"))
    }

    /// At a mount: whether a copy into this volume is under way.
    pub(super) fn load_origin(&mut self) -> Result<(), Error> {
        let origin = self.stored_origin()?;
        self.unfinished = origin.is_some_and(|origin| matches!(origin.progress, Progress::UnderWay(_)));
        Ok(())
    }

    /// Refuses to show or to change a copy that is under way: it is neither what was before nor what is copied.
    ///
    /// # Errors
    /// [`Error::Unfinished`].
    pub fn check_finished(&self) -> Result<(), Error> {
        if self.unfinished {
            Err(Error::Unfinished)
        } else {
            Ok(())
        }
    }

    /// Says that an error is the source's. Of one that is not locked, what was mounted may be gone by now.
    fn blame(&self, error: Error) -> Error {
        match error {
            Error::Tampered { .. } if !self.writable && self.anchored.has_moved() => Error::NotCopied(format!(
                "the source was changed meanwhile, and not all of what is copied is there any more ({error}): \
                 run the same copy again, best of a snapshot that nobody deletes"
            )),
            Error::Tampered { what, place } => Error::tampered(what, format!("the source's {place}")),
            other => other,
        }
    }
}
