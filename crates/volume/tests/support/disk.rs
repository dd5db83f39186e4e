//! A host in memory that records every call, and the disks that a crash may leave behind.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use casemate_volume::anchor::{Memory, Record, Refusal};
use casemate_volume::host::File;
use casemate_volume::{Anchor, Error, Host};

pub type Files = BTreeMap<File, Vec<u8>>;

/// What reached the host or the anchor, in order.
#[derive(Clone, Debug)]
pub enum Event {
    Write(File, u64, Vec<u8>),
    Flush(File),
    /// Names and lengths are durable at once: the contract of `create`, and the mild case of `grow`.
    Length(File, u64),
    Anchor(Record),
    AnchorFlush,
    /// The engine acknowledged all states up to this one.
    Acknowledged(usize),
    /// The engine is about to begin the operation that leads to this state.
    Begun(usize),
}

#[derive(Default)]
struct State {
    files: Files,
    events: Vec<Event>,
}

/// Shared by the host and the anchor that it hands out, and by the test that looks on.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub fn of(files: Files) -> Self {
        Self(Arc::new(Mutex::new(State {
            files,
            events: Vec::new(),
        })))
    }

    pub fn files(&self) -> Files {
        self.with(|state| state.files.clone())
    }

    pub fn push(&self, event: Event) {
        self.with(|state| state.events.push(event));
    }

    pub fn take_events(&self) -> Vec<Event> {
        self.with(|state| std::mem::take(&mut state.events))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Host for Disk {
    fn length(&self, file: File) -> io::Result<Option<u64>> {
        Ok(self.with(|state| state.files.get(&file).map(|bytes| bytes.len() as u64)))
    }

    fn create(&self, file: File, length: u64) -> io::Result<()> {
        self.with(|state| {
            if state.files.contains_key(&file) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.files.insert(file, vec![0; length as usize]);
            state.events.push(Event::Length(file, length));
            Ok(())
        })
    }

    fn grow(&self, file: File, length: u64) -> io::Result<()> {
        self.with(|state| {
            let bytes = state.files.get_mut(&file).ok_or(io::ErrorKind::NotFound)?;
            bytes.resize(bytes.len().max(length as usize), 0);
            state.events.push(Event::Length(file, length));
            Ok(())
        })
    }

    fn read(&self, file: File, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(|state| {
            let bytes = state.files.get(&file).ok_or(io::ErrorKind::NotFound)?;
            let range = bytes.get(offset as usize..offset as usize + out.len());
            out.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write(&self, file: File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            put(&mut state.files, file, offset, bytes);
            state.events.push(Event::Write(file, offset, bytes.to_vec()));
            Ok(())
        })
    }

    /// What is discarded reads as zeros, at once or after the next flush.
    fn discard(&self, file: File, offset: u64, length: u64) -> io::Result<()> {
        self.write(file, offset, &vec![0; length as usize])
    }

    fn flush(&self, file: File) -> io::Result<()> {
        self.push(Event::Flush(file));
        Ok(())
    }
}

/// An anchor that records its moves.
pub struct Recorded {
    pub memory: Memory,
    pub disk: Disk,
    pub durable: bool,
}

impl Anchor for Recorded {
    fn read(&mut self) -> Result<Record, Error> {
        self.memory.read()
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        let outcome = self.memory.compare_and_set(expected, new)?;
        if outcome.is_ok() {
            self.disk.push(Event::Anchor(*new));
        }
        Ok(outcome)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.disk.push(Event::AnchorFlush);
        Ok(())
    }

    fn is_durable(&self) -> bool {
        self.durable
    }
}

fn put(files: &mut Files, file: File, offset: u64, bytes: &[u8]) {
    let target = files.entry(file).or_default();
    let end = offset as usize + bytes.len();
    target.resize(target.len().max(end), 0);
    target[offset as usize..end].copy_from_slice(bytes);
}

/// A moment at which the power may go.
pub struct Moment {
    pub durable: Files,
    pub pending: Vec<(File, u64, Vec<u8>)>,
    /// What the anchor may hold.
    pub records: Vec<Record>,
    pub acknowledged: usize,
    pub begun: usize,
}

/// The moments at which most is at stake: before each flush, before and after each move of the anchor, at the end.
pub fn moments(start: &Files, record: Record, durable_anchor: bool, events: &[Event], mut visit: impl FnMut(&Moment)) {
    let mut now = Moment {
        durable: start.clone(),
        pending: Vec::new(),
        records: vec![record],
        acknowledged: 0,
        begun: 0,
    };
    for event in events {
        if matches!(event, Event::Flush(_) | Event::Anchor(_)) {
            visit(&now);
        }
        match event {
            Event::Write(file, offset, bytes) => now.pending.push((*file, *offset, bytes.clone())),
            Event::Flush(flushed) => {
                for (file, offset, bytes) in now.pending.iter().filter(|(file, ..)| file == flushed) {
                    put(&mut now.durable, *file, *offset, bytes);
                }
                now.pending.retain(|(file, ..)| file != flushed);
            }
            Event::Length(file, length) => {
                let bytes = now.durable.entry(*file).or_default();
                bytes.resize(bytes.len().max(*length as usize), 0);
            }
            Event::Anchor(record) if durable_anchor => now.records = vec![*record],
            Event::Anchor(record) => now.records = vec![now.records[0], *record],
            Event::AnchorFlush => now.records = now.records.split_off(now.records.len() - 1),
            Event::Acknowledged(state) => now.acknowledged = *state,
            Event::Begun(state) => now.begun = *state,
        }
    }
    visit(&now);
}

impl Moment {
    /// Disks that may be found afterwards: every subset of up to `most` pending writes, else each single loss and
    /// random subsets; and each write torn at 512 bytes and at 4 KiB.
    pub fn disks(&self, most: usize, samples: usize, random: &mut impl FnMut() -> u64, mut visit: impl FnMut(Files)) {
        let count = self.pending.len();
        if count <= most {
            (0..1u64 << count).for_each(|mask| visit(self.disk(|index| mask >> index & 1 == 1, None)));
        } else {
            (0..count).for_each(|lost| visit(self.disk(|index| index != lost, None)));
            for _ in 0..samples {
                let masks: Vec<bool> = (0..count).map(|_| random() & 1 == 1).collect();
                visit(self.disk(|index| masks[index], None));
            }
        }
        for torn in 0..count {
            for unit in [512, 4096] {
                let (kept, all) = (random(), random() & 1 == 1);
                visit(self.disk(|index| all || index < torn, Some((torn, unit, kept))));
            }
        }
    }

    fn disk(&self, keep: impl Fn(usize) -> bool, torn: Option<(usize, usize, u64)>) -> Files {
        let mut files = self.durable.clone();
        for (index, (file, offset, bytes)) in self.pending.iter().enumerate() {
            match torn {
                Some((at, unit, kept)) if at == index => {
                    for (piece, chunk) in bytes.chunks(unit).enumerate() {
                        if kept.rotate_left(piece as u32) & 1 == 1 {
                            put(&mut files, *file, offset + (piece * unit) as u64, chunk);
                        }
                    }
                }
                _ if keep(index) => put(&mut files, *file, *offset, bytes),
                _ => {}
            }
        }
        files
    }
}

impl Disk {
    /// Changes one byte, as an attacker does.
    pub fn poke(&self, file: File, offset: usize, byte: u8) {
        self.with(|state| state.files.get_mut(&file).unwrap()[offset] = byte);
    }
}
