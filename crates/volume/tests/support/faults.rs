//! Hosts and anchors that fail on demand.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use casemate_volume::anchor::{Memory, Record, Refusal};
use casemate_volume::host::File;
use casemate_volume::{Anchor, Error};

use super::between::{Asked, Between, between};
use super::disk::Disk;

/// Which call of the host fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Write,
    Flush,
    Read,
}

/// A disk whose calls fail as often as was asked for.
#[derive(Clone)]
pub struct Faulty {
    pub disk: Disk,
    pub call: Call,
    pub failures: Arc<AtomicU32>,
}

impl Between for Faulty {
    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn before(&self, asked: Asked) -> io::Result<()> {
        let call = match asked {
            Asked::Length(..) => return Ok(()),
            Asked::Read(_) => Call::Read,
            Asked::Write(_) => Call::Write,
            Asked::Flush => Call::Flush,
        };
        let due = |left: u32| left.checked_sub(1);
        let fails = call == self.call
            && self
                .failures
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, due)
                .is_ok();
        if fails {
            Err(io::Error::from_raw_os_error(5))
        } else {
            Ok(())
        }
    }
}

between!(Faulty);

/// A disk on which segments may take so many bytes; more than that it refuses.
#[derive(Clone)]
pub struct Narrow {
    pub disk: Disk,
    pub room: u64,
}

impl Between for Narrow {
    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn before(&self, asked: Asked) -> io::Result<()> {
        let Asked::Length(file, length) = asked else {
            return Ok(());
        };
        let others = self.disk.files();
        let segments = others
            .iter()
            .filter(|(other, _)| **other != file && matches!(other, File::Segment(_)));
        let taken: u64 = segments.map(|(_, bytes)| bytes.len() as u64).sum();
        match file {
            File::Segment(_) if taken + length > self.room => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn room(&self) -> io::Result<Option<u64>> {
        Ok(Some(self.room))
    }
}

between!(Narrow);

/// What an anchor does with an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Answer {
    Yes = 0,
    /// It never arrives.
    Lost = 1,
    /// It is applied, and the reply is lost.
    ReplyLost = 2,
    /// Nothing answers, readings neither.
    Away = 3,
}

/// An anchor with a bad connection.
#[derive(Clone)]
pub struct Flaky {
    pub memory: Memory,
    pub answer: Arc<AtomicU32>,
}

impl Flaky {
    pub fn set(&self, answer: Answer) {
        self.answer.store(answer as u32, Ordering::SeqCst);
    }

    fn is(&self, answer: Answer) -> bool {
        self.answer.load(Ordering::SeqCst) == answer as u32
    }
}

fn silence() -> Error {
    Error::Anchor("no answer".into())
}

impl Anchor for Flaky {
    fn read(&mut self) -> Result<Record, Error> {
        if self.is(Answer::Away) {
            Err(silence())
        } else {
            self.memory.read()
        }
    }

    fn compare_and_set(&mut self, expected: &Record, new: &Record) -> Result<Result<(), Refusal>, Error> {
        if self.is(Answer::Lost) || self.is(Answer::Away) {
            return Err(silence());
        }
        let outcome = self.memory.compare_and_set(expected, new)?;
        if self.is(Answer::ReplyLost) {
            Err(silence())
        } else {
            Ok(outcome)
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn is_durable(&self) -> bool {
        true
    }
}
