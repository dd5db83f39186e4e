//! A volume that is open in this process.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::{mem, ptr};

use casemate_volume::anchor::Record;
use casemate_volume::{Error, Freshness, Keeper, Shared, Upkeep, Volume};
use casemate_volume_local::{Failure, Listener, Place};
use parking_lot::{Mutex, RwLock};

use crate::trouble::Trouble;

/// How often a reader starts again while the anchor moves on.
const TRIES: usize = 16;

thread_local! {
    /// The session that this thread holds the lock of while others are told how far it is.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// A volume that is open in this process, and in no process that is forked from it: keys and counters that two have
/// would seal different things alike.
pub struct Session {
    place: Place,
    freshness: Freshness,
    /// Shown instead of the newest state.
    snapshot: Option<Vec<u8>>,
    process: u32,
    /// `None` once it was closed.
    mounted: RwLock<Option<Mounted>>,
    /// How often each file is open: one without names stays as long.
    open: Mutex<HashMap<u64, u64>>,
}

#[derive(Clone)]
struct Mounted {
    volume: Arc<Shared>,
    /// Of a writer.
    _keeper: Option<Arc<Keeper>>,
    /// What the anchor said just before, of a reader.
    seen: Option<Record>,
}

impl Session {
    /// Opens for writing.
    pub fn write(place: Place, freshness: Freshness) -> Result<Self, Trouble> {
        let volume = Arc::new(shared(place.write(freshness)?));
        let keeper = Keeper::start(Arc::clone(&volume), Upkeep::default());
        let keeper = keeper.map_err(|error| Error::Host(format!("start a thread: {error}")))?;
        let mounted = Mounted {
            volume,
            _keeper: Some(Arc::new(keeper)),
            seen: None,
        };
        Ok(Self::new(place, freshness, None, mounted))
    }

    /// Opens what the anchor says, or a snapshot of it, for reading.
    pub fn read(place: Place, freshness: Freshness, snapshot: Option<Vec<u8>>) -> Result<Self, Trouble> {
        let mounted = for_reading(&place, freshness, snapshot.as_deref())?;
        Ok(Self::new(place, freshness, snapshot, mounted))
    }

    fn new(place: Place, freshness: Freshness, snapshot: Option<Vec<u8>>, mounted: Mounted) -> Self {
        Self {
            place,
            freshness,
            snapshot,
            process: std::process::id(),
            mounted: RwLock::new(Some(mounted)),
            open: Mutex::default(),
        }
    }

    fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }

    /// The volume as it is now.
    pub fn volume(&self) -> Result<Arc<Shared>, Trouble> {
        self.mounted().map(|mounted| mounted.volume)
    }

    fn mounted(&self) -> Result<Mounted, Trouble> {
        // Before any lock: a thread that the fork left behind may hold it for ever.
        if self.is_forked() {
            return Err(Trouble::Forked);
        }
        self.not_held_here()?;
        self.mounted.read().clone().ok_or(Trouble::Closed)
    }

    /// Does something with the volume while nobody else does; a reader does it again where a writer overwrote meanwhile
    /// what it looked at.
    pub fn with<T>(&self, mut action: impl FnMut(&mut Volume) -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.run(|volume| {
            let done = volume.with(|volume| match action(volume) {
                Err(Trouble::Local(Failure::Volume(error))) => Err(error),
                other => Ok(other),
            });
            done?
        })
    }

    /// As [`Self::with`], where the volume takes its lock itself.
    pub fn run<T>(&self, mut action: impl FnMut(&Shared) -> Result<T, Trouble>) -> Result<T, Trouble> {
        for _ in 1..TRIES {
            let mounted = self.mounted()?;
            match action(&mounted.volume) {
                Err(Trouble::Local(Failure::Volume(error @ Error::Tampered { .. }))) => {
                    if !mounted.volume.is_read_only() || !self.follow(mounted.seen.as_ref())? {
                        return Err(error.into());
                    }
                }
                other => return other,
            }
        }
        action(&*self.volume()?)
    }

    /// Reads and verifies everything. Others wait, and who is told how far that is cannot use the volume meanwhile.
    pub fn verify(&self, listener: Listener<'_>) -> Result<(), Trouble> {
        self.with(|volume| {
            let before = HELD.replace(self.address());
            let verified = volume.verify_telling(listener);
            HELD.set(before);
            Ok(verified?)
        })
    }

    /// Whoever holds the lock and asks for it again waits for ever.
    fn not_held_here(&self) -> Result<(), Trouble> {
        if HELD.get() == self.address() {
            return Err(Trouble::Held);
        }
        Ok(())
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Lets a reader see what the anchor says by now; whether that is something else. A writer sees it always.
    pub fn refresh(&self) -> Result<bool, Trouble> {
        let mounted = self.mounted()?;
        if mounted.volume.is_read_only() {
            self.follow(mounted.seen.as_ref())
        } else {
            Ok(false)
        }
    }

    /// Mounts a reader's volume again if the anchor says something else than `seen`.
    fn follow(&self, seen: Option<&Record>) -> Result<bool, Trouble> {
        let now = self.place.record(self.freshness)?;
        if now.as_ref() == seen {
            return Ok(false);
        }
        let mut mounted = self.mounted.write();
        let current = mounted.as_mut().ok_or(Trouble::Closed)?;
        if current.seen.as_ref() == seen {
            *current = for_reading(&self.place, self.freshness, self.snapshot.as_deref())?;
        }
        Ok(true)
    }

    /// Closes it: a writer's changes are durable and anchored when this returns. In a forked process nothing happens:
    /// it is not that process's to end.
    pub fn close(&self) -> Result<(), Trouble> {
        if self.is_forked() {
            return Ok(());
        }
        self.not_held_here()?;
        let mounted = self.mounted.write().take();
        match mounted {
            Some(mounted) => Ok(mounted.volume.end()?),
            None => Ok(()),
        }
    }

    pub fn is_closed(&self) -> bool {
        !self.is_forked() && self.mounted.read().is_none()
    }

    /// Keeps a file that is open now until [`Self::close_file`]. To be called while the volume is locked, as are the
    /// next two.
    pub fn opened(&self, inode: u64) {
        *self.open.lock().entry(inode).or_insert(0) += 1;
    }

    /// One use less of a file; without any, and without names, it goes.
    pub fn closed(&self, volume: &mut Volume, inode: u64) -> Result<(), Trouble> {
        let mut open = self.open.lock();
        match open.get_mut(&inode) {
            Some(uses) if *uses > 1 => *uses -= 1,
            _ => drop(open.remove(&inode)),
        }
        drop(open);
        self.reap(volume, inode)
    }

    /// Removes a file that has no name, unless it is open.
    pub fn reap(&self, volume: &mut Volume, inode: u64) -> Result<(), Trouble> {
        if volume.is_read_only() || self.open.lock().contains_key(&inode) {
            return Ok(());
        }
        match volume.attributes(inode) {
            Ok(found) if found.links == 0 => Ok(volume.reap(inode)?),
            Ok(_) | Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_forked() {
            // Threads that it would wait for are in the other process, and so are its locks.
            mem::forget(self.mounted.get_mut().take());
        }
    }
}

fn for_reading(place: &Place, freshness: Freshness, snapshot: Option<&[u8]>) -> Result<Mounted, Trouble> {
    let seen = place.record(freshness)?;
    let mut volume = place.read(freshness)?;
    if let Some(name) = snapshot {
        volume.show_snapshot(name)?;
    }
    Ok(Mounted {
        volume: Arc::new(shared(volume)),
        _keeper: None,
        seen,
    })
}

/// Errors are raised where they happen; nobody else needs to hear of them.
fn shared(volume: Volume) -> Shared {
    Shared::new(volume, Box::new(|_| {}))
}
