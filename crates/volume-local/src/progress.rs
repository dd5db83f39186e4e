//! Saying how far long work is, not more often than people look.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::Failure;

const PAUSE: Duration = Duration::from_millis(100);

/// Told how many of how many bytes are done; says whether to go on.
pub type Listener<'a> = &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>;

/// Bytes of bytes.
pub(crate) struct Progress<'a> {
    done: u64,
    total: u64,
    told: Instant,
    listener: Listener<'a>,
}

impl<'a> Progress<'a> {
    /// Of so many bytes.
    pub fn of(total: u64, listener: Listener<'a>) -> Self {
        Self {
            done: 0,
            total,
            told: Instant::now(),
            listener,
        }
    }

    /// So many more.
    pub fn more(&mut self, bytes: u64) -> Result<(), Failure> {
        self.done += bytes;
        if self.told.elapsed() < PAUSE {
            return Ok(());
        }
        self.told = Instant::now();
        self.tell()
    }

    /// All of it, whatever was counted before.
    pub fn end(mut self) -> Result<(), Failure> {
        self.total = self.done;
        self.tell()
    }

    fn tell(&mut self) -> Result<(), Failure> {
        match (self.listener)(self.done, self.total) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Failure::Stopped),
        }
    }
}
