//! Gathering beside requests: a part at a time, and slowly while others read and write.

use std::cell::RefCell;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{SEALED, Shared};
use crate::store::Buffer;
use crate::{Error, Volume};

thread_local! {
    /// Where the thread that gathers has opened bytes.
    static OPENED: RefCell<Buffer> = RefCell::default();
}

/// A round: how long it waits where nothing is to be done, and the unit in which files have to be left alone.
const ROUND: Duration = Duration::from_secs(1);
/// How long it rests at least.
const LEAST: Duration = Duration::from_millis(5);
/// How many times as long as the work it rests while others read and write.
const REST: u32 = 9;

impl Shared {
    /// Writes one part of a file that lies scattered anew in a row, if that is worth while and the file has been left
    /// alone for some of these calls; whether there may be more to do. The volume is not held up meanwhile.
    ///
    /// # Errors
    /// Those of [`Volume::gather`].
    pub fn gather(&self) -> Result<bool, Error> {
        let begun = self.quietly(|volume| {
            let mut more = false;
            for why in volume.why_gather() {
                let begun = volume.begin_gathering(*why)?;
                if begun.is_some() {
                    return Ok((begun, true));
                }
                more |= volume.may_gather(*why);
            }
            Ok((None, more))
        })?;
        let mut gathering = match begun {
            (Some(gathering), _) => gathering,
            (None, true) => return Ok(true),
            (None, false) => return self.quietly(Volume::look_further),
        };
        let outcome = OPENED.with_borrow_mut(|room| SEALED.with_borrow_mut(|scratch| gathering.run(room, scratch)));
        self.with(|volume| volume.gathered(gathering, outcome))?;
        Ok(true)
    }
}

/// Works until the end.
pub(super) fn gather(volume: &Shared, ended: &Receiver<()>) {
    if volume.is_read_only() {
        return;
    }
    let (mut pause, mut asked) = (ROUND, 0);
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let begun = Instant::now();
        // What fails here was heard, or will be where somebody waits for it.
        let more = volume.gather().unwrap_or(false);
        let busy = asked != volume.asked.load(Ordering::Relaxed);
        asked = volume.asked.load(Ordering::Relaxed);
        pause = match (more, busy) {
            (false, _) => ROUND,
            (true, true) => begun.elapsed() * REST + LEAST,
            (true, false) => begun.elapsed() + LEAST,
        };
    }
}
