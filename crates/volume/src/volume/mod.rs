//! The engine: what a front translates to.
//!
//! Every change is applied to the tree in memory and pushed to the log in the same step ([`apply`]); recovery takes the
//! changes from the log and applies them with the same code. Data of files waits in pages ([`pages`]) until an fsync
//! logs it or a checkpoint places it.

mod allocate;
mod anchored;
mod apply;
mod attributes;
mod check;
mod checkpoint;
mod commit;
mod copying;
mod create;
mod data;
mod directory;
mod discard;
mod extents;
mod flight;
mod flush;
mod gather;
mod links;
mod mount;
mod names;
mod pages;
mod reading;
mod recover;
mod rename;
mod room;
mod scattered;
mod slots;
mod snapshots;
mod survey;
mod writing;
mod xattr;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use allocate::{Allocate, Seek};
pub use attributes::{Attributes, Changes, Statistics};
pub use check::{Finding, Findings, Report};
pub use copying::{Copied, CopyOf, OriginInfo};
pub(crate) use data::in_steps;
pub use directory::Entry;
pub(crate) use flight::Goal;
pub(crate) use flush::FILES_AT_ONCE;
pub use names::New;
pub use rename::Rename;
pub use snapshots::SnapshotInfo;

use crate::environment::{Clock, Random, SystemClock, SystemRandom};
use crate::format::{BLOCK, Roots};
use crate::host::Folder;
use crate::log::Log;
use crate::seal::NamesKey;
use crate::space::Space;
use crate::store::{Buffer, Store};
use crate::tree::{Context, Tree};
use crate::{Anchor, Error, Host};
use anchored::Anchored;
use extents::{Piece, Shown};
use flight::Landing;
use pages::Pages;
use scattered::Scattered;
use slots::Slot;
use survey::Survey;

/// The inode of the root directory.
pub const ROOT: u64 = 1;

/// The machine around a volume.
pub struct Environment {
    /// Where the files are.
    pub host: Box<dyn Host>,
    /// Where the newest root is. Not asked with [`Freshness::None`].
    pub anchor: Box<dyn Anchor>,
    /// Random bytes.
    pub random: Box<dyn Random>,
    /// The time.
    pub clock: Box<dyn Clock>,
}

impl Environment {
    /// This machine: its files, its generator, its clock.
    #[must_use]
    pub fn of_this_machine(host: Folder, anchor: Box<dyn Anchor>) -> Self {
        Self {
            host: Box::new(host),
            anchor,
            random: Box::new(SystemRandom),
            clock: Box::new(SystemClock),
        }
    }
}

/// When the anchor follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Before an fsync returns: nothing that was acknowledged can be taken back unseen.
    Strict,
    /// When the front calls [`Volume::anchor`], and at every checkpoint: a rollback within the interval is not seen.
    Interval,
    /// Never: integrity only. For caches.
    None,
}

/// What is decided once, when a volume is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// What a root binds.
    pub roots: Roots,
    /// Most bytes of data and tree; 256 KiB to 64 TiB. The host's space is taken as it is used.
    pub capacity: u64,
    /// Bytes of the log's ring; 256 KiB to 64 GiB, written when the volume is made.
    pub log: u64,
}

/// Bytes of the log of a volume that is large enough for it: a checkpoint comes at three quarters.
const USUAL_LOG: u64 = 64 << 20;

impl Form {
    /// With a log that fits the capacity.
    #[must_use]
    pub fn new(roots: Roots, capacity: u64) -> Self {
        let log = USUAL_LOG.min(capacity / 8) / BLOCK as u64 * BLOCK as u64;
        Self { roots, capacity, log }
    }
}

/// Where a volume stands, for `info` and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Newest checkpoint.
    pub generation: u64,
    /// Newest anchored checkpoint.
    pub anchored: u64,
    /// Groups in the log since the volume was made.
    pub sequence: u64,
    /// This writer's fence; of a mount for reading, the anchored writer's.
    pub fence: u64,
}

/// A mounted volume.
pub struct Volume {
    store: Store,
    space: Space,
    tree: Tree,
    log: Log,
    names: NamesKey,
    anchored: Anchored,
    clock: Box<dyn Clock>,
    freshness: Freshness,
    /// The newest durable slot.
    slot: Slot,
    files: BTreeMap<u64, Pages>,
    pages: u64,
    piece: Option<Piece>,
    shown: Option<Shown>,
    /// Sealed bytes of the last large read or write: room that need not be found and wiped each time.
    scratch: Buffer,
    scattered: Scattered,
    survey: Survey,
    next_inode: u64,
    /// Generation of the snapshot that is shown instead of the newest state.
    snapshot: Option<u64>,
    writable: bool,
    /// A file's times are the front's to say: see [`Self::leave_times`].
    times_left: bool,
    /// A copy into this volume is under way: what the tree has is a mixture that nobody may see.
    unfinished: bool,
    /// How many changes were made: an operation that fails behind its first leaves half of itself.
    changes: u64,
    /// Where the flight that is under way leaves how it ended.
    flight: Option<Arc<Landing>>,
    /// Why no more writes are taken, after a failure of the host or the loss of the fence.
    latched: Option<Error>,
}

impl Volume {
    /// Where the volume stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            generation: self.slot.head.generation,
            anchored: self.anchored.record.generation,
            sequence: self.log.head.sequence,
            fence: self.anchored.record.fence,
        }
    }

    /// The volume's identity.
    #[must_use]
    pub fn identity(&self) -> [u8; 16] {
        self.slot.head.volume
    }

    /// What its roots bind.
    #[must_use]
    pub fn roots(&self) -> Roots {
        self.slot.head.roots
    }

    /// What it was made with.
    #[must_use]
    pub fn form(&self) -> Form {
        let (head, body) = (&self.slot.head, &self.slot.body);
        Form {
            roots: head.roots,
            capacity: body.capacity * BLOCK as u64,
            log: u64::from(body.log_blocks) * BLOCK as u64,
        }
    }

    /// Whether nothing can be changed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        !self.writable
    }

    /// Generation of the next checkpoint: the birth of all that is written now.
    fn generation(&self) -> u64 {
        self.slot.head.generation + 1
    }

    fn edit(&mut self) -> (&mut Tree, Context<'_>) {
        let generation = self.generation();
        (
            &mut self.tree,
            Context {
                store: &mut self.store,
                space: &mut self.space,
                generation,
            },
        )
    }

    /// Refuses on a mount for reading, and after a failure.
    fn check_writable(&self) -> Result<(), Error> {
        match &self.latched {
            _ if !self.writable => Err(Error::ReadOnly),
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// Closes the volume for writing after a failure of which the extent is unknown. What is not anchored stays so.
    fn latch<T>(&mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &outcome {
            self.latched.get_or_insert_with(|| match error {
                Error::Fenced(_) | Error::Host(_) | Error::Tampered { .. } => error.clone(),
                other => Error::Host(other.to_string()),
            });
        }
        outcome
    }
}

impl std::fmt::Debug for Volume {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Volume")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
