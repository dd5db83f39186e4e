//! The engine behind a lock, and what the kernel knows of its inodes.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use casemate_volume::{Error, Volume};
use parking_lot::{Mutex, MutexGuard};

thread_local! {
    /// Where each thread reads sealed bytes into.
    static SEALED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What goes on beside requests.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep {
    /// How often the anchor follows what is durable: the interval of [`casemate_volume::Freshness::Interval`], or how
    /// long a lazy anchor may lag behind.
    pub anchor: Duration,
    /// How often a checkpoint takes what no fsync asked for.
    pub checkpoint: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            anchor: Duration::from_millis(100),
            checkpoint: Duration::from_secs(5),
        }
    }
}

/// Hears why the volume answered with EIO: a program only learns that it did.
pub type Listener = Box<dyn Fn(&Error) + Send + Sync>;

/// A mounted volume that several threads use.
pub struct Engine {
    state: Mutex<State>,
    listener: Listener,
    /// Nothing can be changed.
    pub read_only: bool,
}

/// What the lock guards.
#[derive(Debug)]
pub struct State {
    /// `None` once the mount ended.
    volume: Option<Volume>,
    /// How often the kernel looked each inode up that it still knows.
    lookups: HashMap<u64, u64>,
    /// Inodes that are known to have no file capabilities.
    pub bare: HashSet<u64>,
}

impl Engine {
    /// Around a volume that was just mounted.
    #[must_use]
    pub fn new(volume: Volume, read_only: bool, listener: Listener) -> Self {
        Self {
            state: Mutex::new(State {
                volume: Some(volume),
                lookups: HashMap::new(),
                bare: HashSet::new(),
            }),
            listener,
            read_only,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Does something with the volume while nobody else does.
    ///
    /// # Errors
    /// Those of the engine; [`Error::Host`] once the mount ended.
    pub fn with<T>(&self, action: impl FnOnce(&mut Volume) -> Result<T, Error>) -> Result<T, Error> {
        self.with_state(|state| action(state.volume()?))
    }

    pub(crate) fn with_state<T>(&self, action: impl FnOnce(&mut State) -> Result<T, Error>) -> Result<T, Error> {
        let outcome = action(&mut self.lock());
        if let Err(error) = &outcome {
            self.hear(error);
        }
        outcome
    }

    /// Reads; only looking up what to read needs the lock.
    ///
    /// # Errors
    /// Those of [`Volume::read`].
    pub fn read(&self, inode: u64, offset: u64, out: &mut [u8]) -> Result<usize, Error> {
        let reading = self.with(|volume| volume.reading(inode, offset, out.len()))?;
        let read = SEALED.with_borrow_mut(|scratch| reading.run(out, scratch));
        match read {
            // Others may have freed and used blocks again while this read them.
            Err(Error::Tampered { .. }) => self.with(|volume| volume.read(inode, offset, out)),
            other => other,
        }
    }

    /// Tells the listener of an error that a program cannot know the reason of.
    pub(crate) fn hear(&self, error: &Error) {
        if error.errno() == rustix::io::Errno::IO.raw_os_error() {
            (self.listener)(error);
        }
    }

    /// Ends the mount: everything is durable and anchored when this returns.
    ///
    /// # Errors
    /// Those of [`Volume::unmount`].
    pub fn end(&self) -> Result<(), Error> {
        let volume = self.lock().volume.take();
        volume.map_or(Ok(()), Volume::unmount)
    }
}

impl State {
    pub fn volume(&mut self) -> Result<&mut Volume, Error> {
        self.volume
            .as_mut()
            .ok_or_else(|| Error::Host("the mount has ended".into()))
    }

    /// The kernel got an inode in an answer.
    pub fn known(&mut self, inode: u64) {
        *self.lookups.entry(inode).or_insert(0) += 1;
    }

    /// The kernel gave up so many of its lookups; without the last, an inode without names goes.
    pub fn forget(&mut self, inode: u64, count: u64) -> Result<(), Error> {
        let left = self.lookups.get(&inode).map_or(0, |known| known.saturating_sub(count));
        if left > 0 {
            self.lookups.insert(inode, left);
            return Ok(());
        }
        self.lookups.remove(&inode);
        self.bare.remove(&inode);
        let volume = self.volume()?;
        match volume.attributes(inode) {
            Ok(attributes) if attributes.links == 0 => volume.reap(inode),
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
