//! Checks of a whole volume.
//!
//! [`Volume::check`] holds everything that the tree says against everything else that it says, and reads no file's
//! data; [`Volume::verify`] also opens every byte of data. Both take it that what opens was written by a holder of the
//! key: they find what the engine itself did wrong, or who has the key.

mod blocks;
mod names;
mod reach;

use std::ops::ControlFlow;

use super::Volume;
use crate::Error;
use crate::format::BLOCK;
use crate::format::extent::Extent;
use crate::format::key::{Key, Kind};
use crate::format::origin::Origin;
use crate::format::pointer::Pointer;
use crate::format::snapshot::{self, Grave, Run, Snapshot};
use crate::store::place;
use crate::tree::{Met, Tree};
use blocks::Blocks;
use names::Names;
use reach::Reach;

/// Findings that are kept, so that a volume full of them cannot take all memory; the others are counted.
const FINDINGS: usize = 1000;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// Where.
    pub place: String,
}

/// What is wrong: nothing, ever, unless the engine has an error or somebody with the key wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first of them.
    pub kept: Vec<Finding>,
    /// All of them.
    pub count: u64,
}

impl Findings {
    fn add(&mut self, what: &'static str, place: String) {
        self.count += 1;
        if self.kept.len() < FINDINGS {
            self.kept.push(Finding { what, place });
        }
    }
}

/// What a check went through, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Nodes of the tree.
    pub nodes: u64,
    /// Inodes.
    pub inodes: u64,
    /// Extents.
    pub extents: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// What is wrong.
    pub findings: Findings,
}

impl Volume {
    /// Holds nodes, space map, extents, names, links and orphans against one another. Reads no data of files.
    ///
    /// # Errors
    /// [`Error::Tampered`] for a node that is not what was written: what is below it cannot be known.
    /// [`Error::Unfinished`].
    pub fn check(&mut self) -> Result<Report, Error> {
        self.check_finished()?;
        let mut check = Check::default();
        let (roots, next) = (self.store.roots, self.next_inode);
        let (names, is_old) = (&self.names, self.snapshot.is_some());
        self.tree.walk(&mut self.store, &mut |met| match met {
            Met::Node(pointer) => {
                check.node(pointer);
                Ok(())
            }
            Met::Entry(key, value) => {
                let findings = &mut check.report.findings;
                match key.kind {
                    Kind::Inode => check.names.inode(key.inode, value, next, findings),
                    Kind::Entry => check.names.entry(key, value, names, findings),
                    Kind::Attribute => check.names.attribute(key, value, names, findings),
                    Kind::Orphan => check.names.orphan(key.offset, findings),
                    Kind::Extent => match Extent::decode(value, roots) {
                        Ok(extent) => check.extent(key, &extent),
                        Err(malformed) => findings.add(malformed.0, data(key)),
                    },
                    Kind::Snapshot | Kind::Space => {}
                    // Of then: what a snapshot says of others is old.
                    Kind::Dead if is_old => {}
                    Kind::Dead => match snapshot::runs(value) {
                        Ok(runs) => check.dead(Grave::of(key), &runs),
                        Err(malformed) => findings.add(malformed.0, "a dead list".into()),
                    },
                    Kind::Origin => {
                        if let Err(malformed) = Origin::decode(value) {
                            findings.add(malformed.0, "what this is a copy of".into());
                        }
                    }
                }
                Ok(())
            }
        })?;
        let (epochs, count) = (self.slot.body.epochs.address, self.slot.body.epoch_blocks);
        let twice = check.reach.blocks.add(epochs, count);
        check.shared(twice);
        for (birth, runs) in self.space.dead() {
            check.dead(Grave::last(self.space.pinned(), *birth), runs);
        }
        check.snapshots(self)?;
        check.names.finish(&mut check.report.findings);
        if self.snapshot.is_none() {
            check.space(self);
        }
        check.report.inodes = check.names.inodes();
        Ok(check.report)
    }

    /// Checks the volume, then reads and opens all data of all files, and ends with the first thing that is wrong.
    ///
    /// # Errors
    /// [`Error::Tampered`].
    pub fn verify(&mut self) -> Result<(), Error> {
        self.verify_telling(&mut |_, _| ControlFlow::Continue(()))
    }

    /// As [`Self::verify`]; `tell` hears how many of about how many bytes are done, and says whether to go on.
    ///
    /// # Errors
    /// [`Error::Tampered`], and [`Error::Host`] where it was not to go on.
    pub fn verify_telling(&mut self, tell: &mut dyn FnMut(u64, u64) -> ControlFlow<()>) -> Result<(), Error> {
        if let Some(finding) = self.check()?.findings.kept.into_iter().next() {
            return Err(Error::tampered(finding.what, finding.place));
        }
        let mut opened = Opened {
            blocks: Blocks::default(),
            done: 0,
            total: self.space.used() * BLOCK as u64,
            tell,
        };
        for tree in self.snapshot_trees()? {
            self.open_data(&tree, &mut opened)?;
        }
        let tree = std::mem::replace(&mut self.tree, Tree::empty());
        let outcome = self.open_data(&tree, &mut opened);
        self.tree = tree;
        outcome
    }

    /// Opens all data of a tree that was not opened before.
    fn open_data(&mut self, tree: &Tree, opened: &mut Opened<'_>) -> Result<(), Error> {
        let mut from = Key::new(Kind::Extent, 0, 0);
        while let Some((key, value)) = tree
            .next(&mut self.store, from)?
            .filter(|(key, _)| key.kind == Kind::Extent)
        {
            let extent = Extent::decode(&value, self.store.roots);
            let extent = extent.map_err(|malformed| Error::malformed(malformed, data(key)))?;
            for piece in extent.shown_pieces() {
                let (address, blocks) = extent.piece(piece);
                if opened.blocks.add(address, blocks).is_none() {
                    self.read_piece(&extent, piece)?;
                    opened.tell(blocks)?;
                }
            }
            from = Key::new(Kind::Extent, key.inode, key.offset + 1);
        }
        Ok(())
    }

    fn snapshot_trees(&mut self) -> Result<Vec<Tree>, Error> {
        let active = self.active_snapshots()?.into_iter();
        Ok(active.map(|snapshot| Tree::of(snapshot.level, snapshot.root)).collect())
    }

    /// Blocks that the newest state and all snapshots refer to. Nodes that were changed since the newest checkpoint
    /// have none yet.
    fn reachable(&mut self) -> Result<Blocks, Error> {
        let mut blocks = Blocks::default();
        for tree in self.snapshot_trees()? {
            self.reach(&tree, &mut blocks)?;
        }
        let tree = std::mem::replace(&mut self.tree, Tree::empty());
        let outcome = self.reach(&tree, &mut blocks);
        self.tree = tree;
        outcome?;
        blocks.add(self.slot.body.epochs.address, self.slot.body.epoch_blocks);
        Ok(blocks)
    }

    fn reach(&mut self, tree: &Tree, blocks: &mut Blocks) -> Result<(), Error> {
        let mut reach = Reach::beside(std::mem::take(blocks));
        let roots = self.store.roots;
        let outcome = tree.walk(&mut self.store, &mut |met| {
            match met {
                Met::Node(pointer) => reach.node(pointer),
                Met::Entry(key, value) if key.kind == Kind::Extent => {
                    let extent = Extent::decode(value, roots);
                    let extent = extent.map_err(|malformed| Error::malformed(malformed, data(key)))?;
                    reach.extent(key, &extent)
                }
                Met::Entry(..) => None,
            };
            Ok(())
        });
        *blocks = reach.blocks;
        outcome
    }

    /// Blocks that a reader refers to and that this writer could give out at this moment: none, while it is registered.
    ///
    /// # Errors
    /// [`Error::Tampered`].
    pub fn endangers(&self, reader: &mut Self) -> Result<Vec<u64>, Error> {
        let reachable = reader.reachable()?;
        Ok(reachable.iter().filter(|block| !self.space.is_busy(*block)).collect())
    }

    /// Blocks that the newest state or a snapshot refers to and that could be given out at this moment: there are none,
    /// ever.
    ///
    /// # Errors
    /// [`Error::Tampered`].
    pub fn endangered(&mut self) -> Result<Vec<u64>, Error> {
        let reachable = self.reachable()?;
        Ok(reachable.iter().filter(|block| !self.space.is_busy(*block)).collect())
    }
}

/// Data that was opened, and who hears of it.
struct Opened<'t> {
    blocks: Blocks,
    done: u64,
    total: u64,
    tell: &'t mut dyn FnMut(u64, u64) -> ControlFlow<()>,
}

impl Opened<'_> {
    fn tell(&mut self, blocks: u32) -> Result<(), Error> {
        self.done += u64::from(blocks) * BLOCK as u64;
        match (self.tell)(self.done, self.total) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Host("the verification was stopped".into())),
        }
    }
}

/// A check under way.
#[derive(Default)]
struct Check {
    report: Report,
    names: Names,
    reach: Reach,
    graves: Vec<(Grave, Vec<Run>)>,
    /// The file whose extents come now, and the block behind the last one.
    shown: (u64, u64),
}

impl Check {
    fn node(&mut self, pointer: &Pointer) {
        self.report.nodes += 1;
        let twice = self.reach.node(pointer);
        self.shared(twice);
    }

    fn extent(&mut self, key: Key, extent: &Extent) {
        self.report.extents += 1;
        let findings = &mut self.report.findings;
        self.names.data(key.inode, findings);
        let at = key.offset / BLOCK as u64;
        if key.offset % BLOCK as u64 != 0 || (self.shown.0 == key.inode && at < self.shown.1) {
            findings.add("two extents of a file overlap", data(key));
        }
        self.shown = (key.inode, at + u64::from(extent.count));
        let twice = self.reach.extent(key, extent);
        self.shared(twice);
    }

    /// Blocks that only snapshots need.
    fn dead(&mut self, grave: Grave, runs: &[Run]) {
        for (address, count) in runs {
            let twice = self.reach.blocks.add(*address, *count);
            self.shared(twice);
        }
        self.graves.push((grave, runs.to_vec()));
    }

    /// What a snapshot needs is in use, and what a dead list keeps is needed by each snapshot that it is kept for.
    fn snapshots(&mut self, volume: &mut Volume) -> Result<(), Error> {
        let active = volume.active_snapshots()?;
        for snapshot in &active {
            let mut blocks = Blocks::default();
            volume.reach(&Tree::of(snapshot.level, snapshot.root), &mut blocks)?;
            let findings = &mut self.report.findings;
            for block in blocks.iter().filter(|block| !self.reach.blocks.has(*block)) {
                findings.add("a block that a snapshot needs is not kept", place(block));
            }
            self.graves(snapshot, &blocks);
        }
        if volume.all_snapshots()?.len() == active.len() {
            self.forgotten(&active);
        }
        self.report.snapshots = active.len() as u64;
        Ok(())
    }

    /// While no deletion is under way, everything on a dead list is there for somebody.
    fn forgotten(&mut self, active: &[Snapshot]) {
        let findings = &mut self.report.findings;
        for (grave, runs) in &self.graves {
            if !active.iter().any(|snapshot| grave.is_needed_by(snapshot.generation)) {
                findings.add("a dead list keeps what no snapshot needs", place(runs[0].0));
            }
        }
    }

    fn graves(&mut self, snapshot: &Snapshot, blocks: &Blocks) {
        let findings = &mut self.report.findings;
        for (grave, runs) in self
            .graves
            .iter()
            .filter(|(grave, _)| grave.is_needed_by(snapshot.generation))
        {
            for (address, count) in runs {
                let kept = *address..*address + u64::from(*count);
                for block in kept.filter(|block| !blocks.has(*block)) {
                    let what = "a dead list keeps a block for a snapshot that has not got it";
                    findings.add(what, format!("{}, born in {}", place(block), grave.birth));
                }
            }
        }
    }

    fn shared(&mut self, twice: Option<u64>) {
        if let Some(block) = twice {
            self.report.findings.add("two things share a block", place(block));
        }
    }

    /// The space map has what is referred to, and nothing else: no block can be given out that is needed, and none is
    /// lost.
    fn space(&mut self, volume: &Volume) {
        let findings = &mut self.report.findings;
        for block in 0..volume.store.capacity {
            match (self.reach.blocks.has(block), volume.space.is_live(block)) {
                (true, false) => findings.add("a block that is needed is not in use in the space map", place(block)),
                (false, true) => findings.add("a block in use in the space map is needed by nothing", place(block)),
                _ => {}
            }
        }
    }
}

/// Where data of a file is, for people.
fn data(key: Key) -> String {
    format!("inode {}, byte {}", key.inode, key.offset)
}

#[cfg(test)]
mod tests;
