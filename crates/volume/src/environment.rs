//! What the engine needs of the machine besides files: random bytes and the time.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SecureRandom;

use crate::{Error, Time};

/// A source of random bytes. Other than [`SystemRandom`] only for tests: keys stand on it.
pub trait Random: Send {
    /// Fills `bytes`.
    ///
    /// # Errors
    /// [`Error::Random`] when there are none.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error>;
}

/// The cryptographic library's generator.
#[derive(Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        random.fill(bytes).map_err(|_| Error::Random)
    }
}

/// The time that files get.
pub trait Clock: Send {
    /// Now.
    fn now(&mut self) -> Time;
}

/// The machine's clock. The host may set it: nothing but times of files follows from it.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&mut self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: since.subsec_nanos(),
        }
    }
}
