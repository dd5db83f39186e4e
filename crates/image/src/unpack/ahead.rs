//! Reading ahead: one thread decompresses or hashes an archive while another one takes what it has done.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Bytes that are handed over at once, at most.
const PART: usize = 256 * 1024;
/// Parts that wait to be taken.
const WAITING: usize = 8;

/// Room, and how many bytes of it were filled.
type Part = io::Result<(Vec<u8>, usize)>;

/// Has `take` read what `from` gives; `from` comes back as far as it was read, and must be read on from there by whoever
/// wants its end.
pub fn read<R: Read + Send, T>(mut from: R, take: impl FnOnce(&mut Parts) -> T) -> (R, T) {
    thread::scope(|scope| {
        let (send, parts) = sync_channel(WAITING);
        let (give_back, room) = channel();
        let reading = scope.spawn(move || {
            hand_over(&mut from, &send, &room);
            from
        });
        let mut parts = Parts {
            parts,
            give_back,
            part: Vec::new(),
            length: 0,
            at: 0,
            position: 0,
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
fn hand_over(from: &mut impl Read, send: &SyncSender<Part>, room: &Receiver<Vec<u8>>) {
    loop {
        let mut part = room.try_recv().unwrap_or_else(|_| vec![0; PART]);
        let read = fill(from, &mut part);
        let ends = !matches!(read, Ok(count) if count > 0);
        if send.send(read.map(|length| (part, length))).is_err() || ends {
            return;
        }
    }
}

/// As much as there is room for, or all that is left.
pub fn fill(from: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < room.len() {
        match from.read(&mut room[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// What was read ahead.
pub struct Parts {
    parts: Receiver<Part>,
    /// Whoever reads ahead needs room again.
    give_back: Sender<Vec<u8>>,
    part: Vec<u8>,
    length: usize,
    at: usize,
    position: u64,
}

impl Parts {
    /// Bytes that were taken.
    pub fn position(&self) -> u64 {
        self.position
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.length {
            // The one who reads has gone after the end, or after an error that was told.
            let Ok(part) = self.parts.recv() else {
                return Ok(0);
            };
            let (part, length) = part?;
            let empty = std::mem::replace(&mut self.part, part);
            (self.length, self.at) = (length, 0);
            if !empty.is_empty() {
                let _ = self.give_back.send(empty);
            }
        }
        let count = (&self.part[self.at..self.length]).read(buffer)?;
        self.at += count;
        self.position += count as u64;
        Ok(count)
    }
}
