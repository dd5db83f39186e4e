//! Reading ahead: one thread opens and hashes an archive while another one takes it apart.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes that are handed over at once.
const PART: usize = 256 * 1024;
/// Parts that wait to be taken.
const WAITING: usize = 8;

type Part = io::Result<Vec<u8>>;

/// Has `take` read what `from` gives; `from` comes back as far as it was read, and must be read on from there by whoever
/// wants its end.
pub fn read<R: Read + Send, T>(mut from: R, take: impl FnOnce(&mut Parts) -> T) -> (R, T) {
    thread::scope(|scope| {
        let (send, parts) = sync_channel(WAITING);
        let reading = scope.spawn(move || {
            hand_over(&mut from, &send);
            from
        });
        let mut parts = Parts {
            parts,
            part: Vec::new(),
            at: 0,
        };
        let taken = take(&mut parts);
        drop(parts);
        match reading.join() {
            Ok(from) => (from, taken),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Until the end, an error, or nobody listens.
fn hand_over(from: &mut impl Read, send: &SyncSender<Part>) {
    loop {
        let mut part = Vec::with_capacity(PART);
        let read = from.by_ref().take(PART as u64).read_to_end(&mut part);
        let ends = !matches!(read, Ok(count) if count > 0);
        if send.send(read.map(|_| part)).is_err() || ends {
            return;
        }
    }
}

/// What was read ahead.
pub struct Parts {
    parts: Receiver<Part>,
    part: Vec<u8>,
    at: usize,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.part.len() {
            // The one who reads has gone after the end, or after an error that was told.
            let Ok(part) = self.parts.recv() else {
                return Ok(0);
            };
            (self.part, self.at) = (part?, 0);
        }
        let count = (&self.part[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}
