//! Making a volume: once, in an empty folder, under an anchor that never had one.

use std::collections::BTreeMap;

use super::anchored::Anchored;
use super::scattered::Scattered;
use super::slots::Slot;
use super::survey::Survey;
use super::{Environment, Form, Freshness, ROOT, Volume};
use crate::anchor::State;
use crate::format::BLOCK;
use crate::format::epochs::Epoch;
use crate::format::inode::{Inode, mode};
use crate::format::pointer::{Check, Pointer};
use crate::format::superblock::{Body, Head, LogHead};
use crate::host::File;
use crate::log::Log;
use crate::space::Space;
use crate::store::{Buffer, Store};
use crate::tree::Tree;
use crate::{Error, VolumeKey};

/// The log is prewritten in steps of this.
const STEP: usize = 1 << 20;

impl Volume {
    /// Makes a volume and leaves it unmounted.
    ///
    /// # Errors
    /// [`Error::Occupied`] where the folder or the anchor has one, [`Error::Invalid`] for sizes out of bounds, or from
    /// host and anchor. After a failure the folder may hold files; the anchor decides, and was not moved.
    pub fn create(environment: Environment, key: VolumeKey, form: &Form) -> Result<[u8; 16], Error> {
        let Environment {
            host,
            anchor,
            mut random,
            clock,
        } = environment;
        let anchored = Anchored::read(anchor)?;
        if anchored.record.state != State::Uninitialised {
            return Err(Error::Occupied("the anchor has one"));
        }
        check_form(form)?;
        prepare(&*host, form)?;
        let mut volume = [0; 16];
        random.fill(&mut volume)?;
        let mut salt = [0; 32];
        random.fill(&mut salt)?;
        let capacity = form.capacity / BLOCK as u64;
        let mut store = Store::new(host, key, volume, form.roots, capacity);
        store.keys.write_as(Epoch { fence: 1, salt })?;
        let names = store.keys.names()?;
        let slot = unwritten(form, volume, salt);
        let this = Self {
            store,
            space: Space::new(capacity),
            tree: Tree::empty(),
            log: Log::new(slot.body.log_blocks, slot.body.log),
            names,
            anchored,
            clock,
            freshness: Freshness::Strict,
            slot,
            files: BTreeMap::new(),
            pages: 0,
            piece: None,
            shown: None,
            scratch: Buffer::default(),
            scattered: Scattered::default(),
            survey: Survey::new(),
            next_inode: ROOT + 1,
            writable: true,
            times_left: false,
            snapshot: None,
            unfinished: false,
            changes: 0,
            flight: None,
            latched: None,
        };
        this.first_checkpoint()?;
        Ok(volume)
    }

    fn first_checkpoint(mut self) -> Result<(), Error> {
        let now = self.clock.now();
        let root = Inode {
            mode: mode::DIRECTORY | 0o755,
            links: 2,
            accessed: now,
            modified: now,
            changed: now,
            born: now,
            parent: ROOT,
            ..Inode::default()
        };
        let key = crate::format::key::Key::new(crate::format::key::Kind::Inode, ROOT, 0);
        let (tree, mut context) = self.edit();
        tree.put(&mut context, key, root.encode())?;
        let (epochs, epoch_blocks) = self.new_epochs()?;
        let addresses = self.settle_space()?;
        let (tree, mut context) = self.edit();
        let root = tree.write(&mut context, addresses)?;
        self.store.flush()?;
        let body = Body {
            level: self.tree.level,
            root,
            epochs,
            epoch_blocks,
            used: self.space.used(),
            ..self.slot.body
        };
        self.write_slot(body)?;
        let root = self.slot.root(&self.log.head);
        self.anchored
            .take_over(self.store.keys.volume, self.slot.head.generation, root, 0)
    }
}

fn check_form(form: &Form) -> Result<(), Error> {
    let whole = form.capacity % BLOCK as u64 == 0 && form.log % BLOCK as u64 == 0;
    let capacity = (64 * BLOCK as u64..=1 << 46).contains(&form.capacity);
    let log = (64 * BLOCK as u64..=1 << 36).contains(&form.log);
    if whole && capacity && log {
        Ok(())
    } else {
        Err(Error::Invalid)
    }
}

/// Makes the files, and writes the log's blocks so that a later flush changes no metadata of the host.
fn prepare(host: &dyn crate::Host, form: &Form) -> Result<(), Error> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Occupied("the folder has one"),
        _ => Error::host("make the files", &error),
    };
    host.create(File::Superblock, 2 * BLOCK as u64).map_err(failed)?;
    host.create(File::Log, form.log).map_err(failed)?;
    let mut at = 0;
    while at < form.log {
        let count = STEP.min(usize::try_from(form.log - at).unwrap_or(STEP));
        host.write(File::Log, at, &vec![0; count]).map_err(failed)?;
        at += count as u64;
    }
    host.flush(File::Log).map_err(failed)
}

/// What stands before the first checkpoint.
fn unwritten(form: &Form, volume: [u8; 16], salt: [u8; 32]) -> Slot {
    let check = Check {
        tag: [0; 16],
        hash: [0; 32],
    };
    let nowhere = Pointer {
        address: 0,
        fence: 1,
        counter: 0,
        birth: 0,
        check,
    };
    let head = Head {
        roots: form.roots,
        volume,
        generation: 0,
        fence: 1,
        counter: 0,
        salt,
    };
    let body = Body {
        level: 0,
        root: nowhere,
        epochs: nowhere,
        epoch_blocks: 1,
        log_blocks: u32::try_from(form.log / BLOCK as u64).unwrap_or(u32::MAX),
        log: LogHead {
            position: 0,
            sequence: 1,
            link: [0; 32],
        },
        capacity: form.capacity / BLOCK as u64,
        used: 0,
        next_inode: ROOT + 1,
    };
    Slot { head, body }
}
