//! A host that hangs.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex};

use casemate_volume::Host;
use casemate_volume::host::File;

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

impl Host for Slow {
    fn length(&self, file: File) -> io::Result<Option<u64>> {
        self.disk.length(file)
    }

    fn create(&self, file: File, length: u64) -> io::Result<()> {
        self.disk.create(file, length)
    }

    fn grow(&self, file: File, length: u64) -> io::Result<()> {
        self.disk.grow(file, length)
    }

    fn read(&self, file: File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.disk.read(file, offset, bytes)
    }

    fn write(&self, file: File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() >= LARGE && !self.stalled.swap(true, Ordering::SeqCst) {
            self.asked.send(()).unwrap();
            self.may.lock().unwrap().recv().unwrap();
        }
        self.disk.write(file, offset, bytes)
    }

    fn flush(&self, file: File) -> io::Result<()> {
        self.disk.flush(file)
    }
}
