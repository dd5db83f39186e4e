//! What goes on beside requests: the anchor follows, checkpoints take what no fsync asked for, and scattered files are
//! gathered.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Shared;
use super::gathering::gather;

/// How often that is.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep {
    /// How often the anchor follows what is durable: the interval of [`crate::Freshness::Interval`], or how long a lazy
    /// anchor may lag behind.
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

/// Threads that end when this is dropped.
#[derive(Debug)]
pub struct Keeper {
    _threads: [Ending; 2],
}

/// A thread that ends when this is dropped.
#[derive(Debug)]
struct Ending {
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts; a volume that is mounted for reading needs none, and gets none.
    ///
    /// # Errors
    /// From the host.
    pub fn start(volume: Arc<Shared>, upkeep: Upkeep) -> std::io::Result<Self> {
        let gathered = Arc::clone(&volume);
        Ok(Self {
            _threads: [
                Ending::start("upkeep", move |ended| keep(&volume, upkeep, &ended))?,
                Ending::start("gathering", move |ended| gather(&gathered, &ended))?,
            ],
        })
    }
}

impl Ending {
    fn start(name: &str, work: impl FnOnce(Receiver<()>) + Send + 'static) -> std::io::Result<Self> {
        let (ends, ended) = channel();
        let thread = thread::Builder::new().name(name.into()).spawn(move || work(ended))?;
        Ok(Self {
            ends: Some(ends),
            thread: Some(thread),
        })
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keep(volume: &Shared, upkeep: Upkeep, ended: &Receiver<()>) {
    if volume.is_read_only() {
        return;
    }
    let mut checkpointed = Instant::now();
    while ended.recv_timeout(upkeep.anchor) == Err(RecvTimeoutError::Timeout) {
        let due = checkpointed.elapsed() >= upkeep.checkpoint;
        // What fails here fails again, and is heard, at the next fsync: the engine closes for writing where it must.
        let _ = if due { volume.sync() } else { volume.anchor() };
        if due {
            let _ = volume.discard();
            checkpointed = Instant::now();
        }
    }
}
