//! A host that hangs.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};

use super::between::{Asked, Between, between};
use super::disk::Disk;

/// Bytes that are sealed and written without the lock.
pub const LARGE: usize = 128 * 1024;

/// A disk that says when the first large write reaches it, and then waits until it may go on.
#[derive(Clone)]
pub struct Slow {
    disk: Disk,
    asked: Sender<()>,
    may: Arc<Mutex<Receiver<()>>>,
    stalled: Arc<AtomicBool>,
}

impl Slow {
    /// It asks with the one, and may go on when the other has something.
    pub fn new(disk: &Disk, asked: Sender<()>, may: Receiver<()>) -> Self {
        Self {
            disk: disk.clone(),
            asked,
            may: Arc::new(Mutex::new(may)),
            stalled: Arc::default(),
        }
    }
}

impl Between for Slow {
    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn before(&self, asked: Asked) -> io::Result<()> {
        let is_large = matches!(asked, Asked::Write(length) if length >= LARGE);
        if is_large && !self.stalled.swap(true, Ordering::SeqCst) {
            self.asked.send(()).unwrap();
            self.may.lock().unwrap().recv().unwrap();
        }
        Ok(())
    }
}

between!(Slow);
