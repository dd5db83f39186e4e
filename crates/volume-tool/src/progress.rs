//! Saying how far long work is, not more often than people look.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::report::say;

const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of bytes.
#[derive(Debug)]
pub struct Progress {
    done: u64,
    total: u64,
    said: Instant,
}

impl Progress {
    /// Of so many bytes.
    pub fn of(total: u64) -> Self {
        Self {
            done: 0,
            total,
            said: Instant::now(),
        }
    }

    /// So many more.
    pub fn more(&mut self, bytes: u64) {
        self.done += bytes;
        if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            say(&json!({"progress": {"done": self.done, "total": self.total}}));
        }
    }
}
