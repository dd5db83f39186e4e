//! The file of a blob, written by threads of its own, past the host's page cache.
//!
//! A blob is as large as its layer, and whoever takes it flushes it to the disk. In the cache it would take a copy, as
//! much memory, and all of the disk's time at the end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::num::NonZero;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use casemate_sys::prefer_large_pages;
use rustix::fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// Bytes that are written at once, and of a large page (x86-64 and arm64): one request to the disk then is one piece.
const ROOM: usize = 2 << 20;
/// Threads that write: the disk has the next request before it has done one.
const WRITERS: usize = 2;
/// Rooms in all.
const ROOMS: usize = WRITERS + 2;

/// Takes a blob, from its first byte to its last.
pub struct Out {
    file: Arc<File>,
    room: Room,
    /// Bytes in it.
    filled: usize,
    /// Where it goes.
    at: u64,
    give: Sender<(u64, Room)>,
    take: Receiver<io::Result<Room>>,
    /// Rooms that were made.
    rooms: usize,
    under_way: usize,
}

impl Out {
    /// Into a new file, for about so many bytes.
    pub fn create(target: &Path, length: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(target)?;
        // Space in a row, and a length that no write changes. Where there is no such call, writes do without.
        let _ = fallocate(&file, FallocateFlags::empty(), 0, length);
        // What has no way past the cache says so here, or when something is written.
        let _ = past_the_cache(&file, true);
        let file = Arc::new(file);
        let (give, given) = channel();
        let (done, take) = channel();
        let given = Arc::new(Mutex::new(given));
        for _ in 0..WRITERS {
            let (file, given, done) = (Arc::clone(&file), Arc::clone(&given), done.clone());
            thread::Builder::new().spawn(move || run(&file, &given, &done))?;
        }
        Ok(Self {
            file,
            room: Room::new(),
            filled: 0,
            at: 0,
            give,
            take,
            rooms: 1,
            under_way: 0,
        })
    }

    /// Nothing more comes. It is all written by then, though not flushed.
    pub fn finish(mut self) -> io::Result<()> {
        while self.under_way > 0 {
            self.taken()?;
        }
        // The end is not as long as the way past the cache wants it.
        past_the_cache(&self.file, false)?;
        self.file.write_all_at(&self.room.bytes()[..self.filled], self.at)?;
        self.file.set_len(self.at + self.filled as u64)
    }

    /// Gives the room that is full, and takes an empty one.
    fn hand_over(&mut self) -> io::Result<()> {
        let empty = if self.rooms < ROOMS {
            self.rooms += 1;
            Room::new()
        } else {
            self.taken()?
        };
        let full = std::mem::replace(&mut self.room, empty);
        self.give.send((self.at, full)).map_err(io::Error::other)?;
        self.under_way += 1;
        self.at += ROOM as u64;
        self.filled = 0;
        Ok(())
    }

    fn taken(&mut self) -> io::Result<Room> {
        self.under_way -= 1;
        self.take.recv().map_err(io::Error::other)?
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = &mut self.room.bytes()[self.filled..];
        let count = bytes.len().min(room.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        if self.filled == ROOM {
            self.hand_over()?;
        }
        Ok(count)
    }

    /// Nothing reads it before the [end](Self::finish).
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Until nobody gives anything any more, or nobody asks what became of it.
fn run(file: &File, given: &Mutex<Receiver<(u64, Room)>>, done: &Sender<io::Result<Room>>) {
    loop {
        let next = given.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((at, mut room)) = next else { return };
        let written = put(file, at, room.bytes());
        if done.send(written.map(|()| room)).is_err() {
            return;
        }
    }
}

fn put(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    let outcome = file.write_all_at(bytes, at);
    let refused = Some(Errno::INVAL.raw_os_error());
    if !outcome.as_ref().is_err_and(|error| error.raw_os_error() == refused) {
        return outcome;
    }
    past_the_cache(file, false)?;
    file.write_all_at(bytes, at)?;
    // Has the kernel bring it to the disk while more comes. An advice: nothing rests on it.
    let _ = fadvise(file, at, NonZero::new(bytes.len() as u64), Advice::DontNeed);
    Ok(())
}

fn past_the_cache(file: &File, past: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, past);
    Ok(fcntl_setfl(file, flags)?)
}

/// Room for [`ROOM`] bytes in one large page, where there are such.
struct Room {
    bytes: Vec<u8>,
    start: usize,
}

impl Room {
    fn new() -> Self {
        let mut bytes = vec![0; 2 * ROOM];
        let start = bytes.as_ptr().align_offset(ROOM).min(ROOM);
        prefer_large_pages(&mut bytes[start..start + ROOM]);
        Self { bytes, start }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + ROOM]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]
mod tests {
    use super::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at / 7 % 251) as u8).collect()
    }

    #[test]
    fn what_is_written_is_there_whatever_its_length_and_parts() {
        let folder = tempfile::TempDir::new().unwrap();
        let target = folder.path().join("blob");
        for (length, part, expected) in [
            (0, 1, 0),
            (5000, 77, 5000),
            (ROOM, ROOM, 0),
            (7 * ROOM + 4096 + 5, 16_400, 7 * ROOM),
            (3 * ROOM - 1, 100_001, 9 * ROOM),
        ] {
            let bytes = content(length);
            let mut out = Out::create(&target, expected as u64).unwrap();
            bytes.chunks(part).for_each(|part| out.write_all(part).unwrap());
            out.finish().unwrap();
            assert!(std::fs::read(&target).unwrap() == bytes, "{length}");
            assert!(Out::create(&target, 0).is_err(), "nothing is overwritten");
            std::fs::remove_file(&target).unwrap();
        }
    }

    #[test]
    fn what_the_disk_does_not_take_past_the_cache_goes_through_it() {
        let file = tempfile::tempfile().unwrap();
        let _ = past_the_cache(&file, true);
        let bytes = content(10_000);
        put(&file, 7, &bytes[1..]).unwrap();
        let mut got = vec![0; 9_999];
        file.read_exact_at(&mut got, 7).unwrap();
        assert!(got == bytes[1..]);
    }

    #[test]
    fn a_disk_that_is_full_is_heard_of() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(
            put(&full, 0, &[1; 4096]).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
}
