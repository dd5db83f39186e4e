//! A volume that several threads use: one lock, which is not held while sealed bytes are read and opened, nor while an
//! fsync waits for the host and the anchor.

mod gathering;
mod telling;
mod upkeep;

use std::cell::RefCell;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

use parking_lot::Mutex;

use telling::Telling;

pub use telling::Listener;
pub use upkeep::{Keeper, Upkeep};

use crate::store::Buffer;
use crate::volume::{FILES_AT_ONCE, Goal, in_steps};
use crate::{Error, Volume};

thread_local! {
    /// Where each thread has sealed bytes.
    static SEALED: RefCell<Buffer> = RefCell::default();
}

/// What is done with the outcome of an fsync.
type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A mounted volume that several threads use.
pub struct Shared {
    /// `None` once the mount ended.
    volume: Mutex<Option<Volume>>,
    commits: Mutex<Commits>,
    telling: Telling,
    read_only: bool,
    /// Reads and writes so far: whoever works beside them sees whether somebody waits.
    asked: AtomicU64,
}

/// Who waits for the next flight.
#[derive(Default)]
struct Commits {
    /// Somebody runs flights until nobody waits.
    led: bool,
    waiting: Vec<(Goal, Done)>,
}

impl Shared {
    /// Around a volume that was just mounted.
    #[must_use]
    pub fn new(volume: Volume, listener: Listener) -> Self {
        let read_only = volume.is_read_only();
        Self {
            volume: Mutex::new(Some(volume)),
            commits: Mutex::default(),
            telling: Telling::to(listener),
            read_only,
            asked: AtomicU64::new(0),
        }
    }

    /// Whether it was mounted for reading.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Does something with the volume while nobody else does.
    ///
    /// # Errors
    /// Those of the engine; [`Error::Host`] once the mount ended.
    pub fn with<T>(&self, action: impl FnOnce(&mut Volume) -> Result<T, Error>) -> Result<T, Error> {
        let outcome = self.quietly(action);
        if let Err(error) = &outcome {
            self.hear(error);
        }
        outcome
    }

    fn quietly<T>(&self, action: impl FnOnce(&mut Volume) -> Result<T, Error>) -> Result<T, Error> {
        let mut volume = self.volume.lock();
        let volume = volume.as_mut();
        action(volume.ok_or_else(|| Error::Host("the mount has ended".into()))?)
    }

    /// Reads; only looking up what to read needs the lock.
    ///
    /// # Errors
    /// Those of [`Volume::read`].
    pub fn read(&self, inode: u64, offset: u64, out: &mut [u8]) -> Result<usize, Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let reading = self.with(|volume| volume.reading(inode, offset, out.len()))?;
        let read = SEALED.with_borrow_mut(|scratch| reading.run(out, scratch));
        match read {
            // Others may have freed and used blocks again while this read them.
            Err(Error::Tampered { .. }) => self.with(|volume| volume.read(inode, offset, out)),
            other => other,
        }
    }

    /// Writes; sealing a large write and giving it to the host needs no lock.
    ///
    /// # Errors
    /// Those of [`Volume::write`].
    pub fn write(&self, inode: u64, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        in_steps(offset, bytes, |at, step| {
            let Some(mut writing) = self.with(|volume| volume.begin_write(inode, at, step))? else {
                return Ok(());
            };
            let outcome = SEALED.with_borrow_mut(|scratch| writing.run(step, scratch));
            self.with(|volume| volume.written(writing, step, outcome))
        })
    }

    /// As [`Volume::fsync`]. Those who call it while one is under way share the next.
    ///
    /// # Errors
    /// Those of [`Volume::fsync`].
    pub fn fsync(&self, inode: u64) -> Result<(), Error> {
        self.with(|volume| volume.stage(inode))?;
        self.wait_for(Goal::DURABLE)
    }

    /// As [`Self::fsync`], for who has other things to do than to wait: `done` gets the outcome, here or on the thread
    /// of another caller.
    pub fn fsync_then(&self, inode: u64, done: impl FnOnce(Result<(), Error>) + Send + 'static) {
        match self.with(|volume| volume.stage(inode)) {
            Ok(()) => self.commit(Goal::DURABLE, Box::new(done)),
            Err(error) => done(Err(error)),
        }
    }

    /// As [`Volume::anchor`].
    ///
    /// # Errors
    /// Those of [`Volume::anchor`].
    pub fn anchor(&self) -> Result<(), Error> {
        self.wait_for(Goal::ANCHORED)
    }

    /// As [`Volume::sync`]; others go on while data is placed and flushed, and wait for the tree only.
    ///
    /// # Errors
    /// Those of [`Volume::sync`].
    pub fn sync(&self) -> Result<(), Error> {
        for files in self.with(|volume| Ok(volume.unplaced()))?.chunks(FILES_AT_ONCE) {
            self.with(|volume| volume.place_files(files))?;
        }
        self.wait_for(Goal::DURABLE.and(Goal::ANCHORED))?;
        self.with(Volume::sync)
    }

    /// Gives the host back what has been free for a minute, if this is called as often as upkeep does.
    ///
    /// # Errors
    /// [`Error::Host`] once the mount ended.
    fn discard(&self) -> Result<(), Error> {
        let Some(idle) = self.with(|volume| Ok(volume.take_idle(false)))? else {
            return Ok(());
        };
        idle.discard();
        self.with(|volume| {
            volume.give_idle_back(&idle);
            Ok(())
        })
    }

    fn wait_for(&self, goal: Goal) -> Result<(), Error> {
        let (sender, outcome) = sync_channel(1);
        // The receiver waits for it below.
        self.commit(goal, Box::new(move |outcome| drop(sender.send(outcome))));
        let given_up = || Error::Host("a flush was given up".into());
        outcome.recv().unwrap_or_else(|_| Err(given_up()))
    }

    /// Leads, unless somebody does: one flight at a time takes all who wait by then. The leader goes on until nobody
    /// waits; no other thread has to wake up for that.
    fn commit(&self, goal: Goal, done: Done) {
        let mut commits = self.commits.lock();
        commits.waiting.push((goal, done));
        if mem::replace(&mut commits.led, true) {
            return;
        }
        drop(commits);
        let leading = Leading(self);
        while let Some(waiting) = leading.next() {
            let goal = waiting
                .iter()
                .fold(Goal::default(), |goal, (other, _)| goal.and(*other));
            let outcome = self.fly(goal);
            for (_, done) in waiting {
                done(outcome.clone());
            }
        }
    }

    fn fly(&self, goal: Goal) -> Result<(), Error> {
        let flown = self.quietly(|volume| volume.take_off(goal)).and_then(|flight| {
            let flown = flight.run();
            // Where the mount ended meanwhile, it waited for the flight and took it in.
            let _ = self.quietly(|volume| {
                volume.land();
                Ok(())
            });
            flown
        });
        if let Err(error) = &flown {
            self.hear(error);
        }
        flown
    }

    /// Tells the listener of an error that a program cannot know the reason of.
    fn hear(&self, error: &Error) {
        if error.errno() == rustix::io::Errno::IO.raw_os_error() {
            self.telling.tell(error);
        }
    }

    /// Ends the mount: everything is durable and anchored when this returns.
    ///
    /// # Errors
    /// Those of [`Volume::unmount`].
    pub fn end(&self) -> Result<(), Error> {
        let volume = self.volume.lock().take();
        volume.map_or(Ok(()), Volume::unmount)
    }
}

/// Whoever runs flights.
struct Leading<'s>(&'s Shared);

impl Leading<'_> {
    /// All who wait now; with none, leading ends.
    fn next(&self) -> Option<Vec<(Goal, Done)>> {
        let mut commits = self.0.commits.lock();
        if commits.waiting.is_empty() {
            commits.led = false;
            return None;
        }
        Some(mem::take(&mut commits.waiting))
    }
}

impl Drop for Leading<'_> {
    /// Nobody waits for a leader that panicked.
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.commits.lock() = Commits::default();
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}
