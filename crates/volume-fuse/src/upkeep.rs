//! What goes on beside requests: the anchor follows, and checkpoints take what no fsync asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::fs::{major, minor};

use crate::{Engine, Upkeep};

/// KiB that the kernel reads ahead of a program that reads in a row.
const READ_AHEAD: u32 = 2048;

/// A thread that ends when this is dropped.
#[derive(Debug)]
pub struct Keeper {
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts.
    ///
    /// # Errors
    /// From the host.
    pub fn start(engine: Arc<Engine>, mountpoint: Option<PathBuf>, upkeep: Upkeep) -> std::io::Result<Self> {
        let (ends, ended) = channel();
        let thread = thread::Builder::new().name("upkeep".into()).spawn(move || {
            if let Some(mountpoint) = mountpoint {
                read_further_ahead(&mountpoint);
            }
            if !engine.read_only {
                keep(&engine, upkeep, &ended);
            }
        })?;
        Ok(Self {
            ends: Some(ends),
            thread: Some(thread),
        })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn keep(engine: &Engine, upkeep: Upkeep, ended: &Receiver<()>) {
    let mut checkpointed = Instant::now();
    while ended.recv_timeout(upkeep.anchor) == Err(RecvTimeoutError::Timeout) {
        let due = checkpointed.elapsed() >= upkeep.checkpoint;
        // What fails here fails again, and is heard, at the next fsync: the engine closes for writing where it must.
        let _ = engine.with(|volume| if due { volume.sync() } else { volume.anchor() });
        if due {
            checkpointed = Instant::now();
        }
    }
}

/// Asks the kernel to read ahead in large steps. Only root may; without, reading is slower.
fn read_further_ahead(mountpoint: &Path) {
    if let Ok(status) = rustix::fs::stat(mountpoint) {
        let (major, minor) = (major(status.st_dev), minor(status.st_dev));
        let setting = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
        let _ = std::fs::write(setting, READ_AHEAD.to_string());
    }
}
