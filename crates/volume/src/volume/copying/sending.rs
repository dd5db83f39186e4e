//! From the difference between two states of the source to changes of the target, in the order of keys.

use super::super::Volume;
use super::beginning::{FILES, Wanted};
use super::blocks::Batch;
use super::{Copied, Tell};
use crate::Error;
use crate::format::group::Change;
use crate::format::inode::Inode;
use crate::format::key::{Key, Kind};
use crate::format::named::{self, Named};
use crate::format::origin::UnderWay;
use crate::format::{BLOCK, FILE};
use crate::store::Buffer;
use crate::tree::{Changed, Difference};
use crate::volume::room::Need;

/// So much is sent before the target has a checkpoint that a crash goes back to: 256 MiB, or 16 MiB of nodes; of a small
/// volume an eighth and a sixteenth.
const BLOCKS: u64 = (256 << 20) / BLOCK as u64;
const NODES: u64 = 1024;
/// Bytes after which somebody hears how far it is.
const STEP: u64 = 32 * 1024;

/// A copy under way.
pub struct Sending<'a> {
    pub(super) source: &'a mut Volume,
    pub(super) target: &'a mut Volume,
    pub(super) wanted: &'a Wanted,
    under_way: UnderWay,
    tell: Tell<'a>,
    done: u64,
    total: u64,
    /// How much was done when somebody last heard of it.
    told: u64,
    pub copied: Copied,
    pub(super) batch: Batch,
    /// Opened and sealed bytes on their way.
    pub(super) buffers: (Buffer, Buffer),
    /// Whether the source has files without a name, and of the last file that changed, whether it is one.
    orphans: bool,
    orphan: (u64, bool),
    /// Blocks since the last checkpoint.
    unsaved: u64,
}

impl<'a> Sending<'a> {
    pub fn new(
        source: &'a mut Volume,
        target: &'a mut Volume,
        wanted: &'a Wanted,
        under_way: UnderWay,
        tell: Tell<'a>,
    ) -> Self {
        Self {
            source,
            target,
            wanted,
            under_way,
            tell,
            done: 0,
            total: 0,
            told: 0,
            copied: Copied {
                generation: wanted.state.generation,
                ..Copied::default()
            },
            batch: Batch::default(),
            buffers: Default::default(),
            orphans: false,
            orphan: (0, false),
            unsaved: 0,
        }
    }

    /// Sends everything from where the copy has come to. Where that fails, what was sent by then is kept if it can be.
    pub fn run(&mut self) -> Result<(), Error> {
        let sent = self.send();
        if sent.is_err() {
            if let Some(first) = self.batch.first() {
                self.under_way.next = first;
            }
            // The first reason counts; the next call sends again what this does not save.
            let _ = self.target.save_copy(self.wanted.state, &self.under_way);
        }
        sent
    }

    fn send(&mut self) -> Result<(), Error> {
        self.look_ahead()?;
        let wanted = self.wanted;
        let mut difference = Difference::new(&wanted.before, &wanted.tree, self.under_way.next, FILES);
        loop {
            let changed = difference.next(&mut self.source.store);
            let Some(changed) = changed.map_err(|error| self.source.blame(error))? else {
                break;
            };
            self.apply(&changed)?;
            self.copied.entries += 1;
            self.advance(weight(&changed))?;
            self.under_way.next = Key::new(changed.key.kind, changed.key.inode, changed.key.offset + 1);
            self.save_if_due()?;
        }
        self.send_batch()?;
        self.under_way.next = FILES;
        self.send_pages()?;
        self.total = self.done;
        self.say()
    }

    /// How much there will be to send: of an increment, what differs; of the whole, about what the source uses.
    fn look_ahead(&mut self) -> Result<(), Error> {
        let wanted = self.wanted;
        let first = wanted.tree.next(&mut self.source.store, FILES);
        let first = first.map_err(|error| self.source.blame(error))?;
        self.orphans = first.is_some_and(|(key, _)| key.kind == Kind::Orphan);
        if wanted.is_whole() {
            self.total = self.source.space.used() * BLOCK as u64;
            return Ok(());
        }
        let mut difference = Difference::new(&wanted.before, &wanted.tree, self.under_way.next, FILES);
        loop {
            let changed = difference.next(&mut self.source.store);
            let Some(changed) = changed.map_err(|error| self.source.blame(error))? else {
                return Ok(());
            };
            self.total += weight(&changed);
            if let (Kind::Extent, Some(value)) = (changed.key.kind, &changed.new) {
                self.total += u64::from(self.extent(value)?.count) * BLOCK as u64;
            }
        }
    }

    fn apply(&mut self, changed: &Changed) -> Result<(), Error> {
        let Key { kind, inode, .. } = changed.key;
        if kind == Kind::Inode {
            return self.inode(inode, changed.new.as_deref());
        }
        let orphan = self.is_orphan(inode)?;
        match kind {
            // What it had went with it.
            Kind::Extent if orphan => Ok(()),
            Kind::Extent => self.extents(changed),
            // A directory that was open when it was removed had names before.
            _ => self.names(
                kind,
                inode,
                changed.old.as_deref(),
                changed.new.as_deref().filter(|_| !orphan),
            ),
        }
    }

    /// An inode that is not there any more, or has no name any more, goes with all that it has.
    fn inode(&mut self, inode: u64, new: Option<&[u8]>) -> Result<(), Error> {
        let new = new.map(Inode::decode).transpose().map_err(malformed)?;
        let key = Key::new(Kind::Inode, inode, 0);
        match new.filter(|new| new.links > 0) {
            Some(new) => self
                .target
                .operate(Need::OPERATION, |target| target.set_inode(inode, &new)),
            None => self.target.operate(Need::FREEING, |target| {
                target.change(Change::Punch(inode, 0, FILE / BLOCK as u64))?;
                target.remove_attributes(inode)?;
                target.unset(key)
            }),
        }
    }

    /// Names of a directory or of attributes: where they lie follows from the target's own key.
    fn names(&mut self, kind: Kind, inode: u64, old: Option<&[u8]>, new: Option<&[u8]>) -> Result<(), Error> {
        let (old, new) = (list(old)?, list(new)?);
        for gone in old.iter().filter(|old| !new.iter().any(|new| new.name == old.name)) {
            self.target
                .operate(Need::FREEING, |target| target.unset_named(kind, inode, &gone.name))?;
        }
        for named in new.into_iter().filter(|new| !old.contains(new)) {
            self.target
                .operate(Need::OPERATION, |target| target.set_named(kind, inode, named))?;
        }
        Ok(())
    }

    /// Whether a file has no name in what is copied: then the target has nothing of it.
    pub(super) fn is_orphan(&mut self, inode: u64) -> Result<bool, Error> {
        if self.orphans && self.orphan.0 != inode {
            let key = Key::new(Kind::Orphan, 0, inode);
            let found = self
                .wanted
                .tree
                .get(&mut self.source.store, key)
                .map_err(|error| self.source.blame(error))?;
            self.orphan = (inode, found.is_some());
        }
        Ok(self.orphans && self.orphan.1)
    }

    /// Bytes of files were sealed.
    pub(super) fn sent(&mut self, bytes: u64) -> Result<(), Error> {
        self.copied.bytes += bytes;
        self.unsaved += bytes / BLOCK as u64;
        self.advance(bytes)
    }

    /// Says how far it is, now and then.
    fn advance(&mut self, bytes: u64) -> Result<(), Error> {
        self.done += bytes;
        if self.done - self.told < STEP {
            return Ok(());
        }
        self.told = self.done;
        self.say()
    }

    fn say(&mut self) -> Result<(), Error> {
        self.total = self.total.max(self.done);
        if (self.tell)(self.done, self.total).is_break() {
            let why = "it was stopped: run the same copy again to finish it";
            return Err(Error::NotCopied(why.into()));
        }
        Ok(())
    }

    fn save_if_due(&mut self) -> Result<(), Error> {
        let capacity = self.target.store.capacity;
        let nodes = NODES.min(capacity / 64);
        if self.unsaved < BLOCKS.min(capacity / 8) && self.target.tree.dirty() < nodes {
            return Ok(());
        }
        self.save()
    }

    fn save(&mut self) -> Result<(), Error> {
        self.send_batch()?;
        self.unsaved = 0;
        self.target.save_copy(self.wanted.state, &self.under_way)
    }
}

/// Bytes of the tree that a change takes.
fn weight(changed: &Changed) -> u64 {
    changed.new.as_ref().map_or(0, |value| value.len() as u64)
}

fn list(value: Option<&[u8]>) -> Result<Vec<Named>, Error> {
    value.map_or(Ok(Vec::new()), |value| named::decode(value).map_err(malformed))
}

/// Sealed with the source's key, and still not of the documented form.
pub fn malformed(malformed: crate::format::Malformed) -> Error {
    Error::malformed(malformed, "the source's tree")
}
