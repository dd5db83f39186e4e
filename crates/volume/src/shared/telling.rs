//! What people are told of a volume that answers with EIO: each reason once, and again when it lasts.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::Error;

/// Hears why the volume answered with EIO: a program only learns that it did. What lasts is heard once a minute, however
/// often programs and upkeep run into it.
pub type Listener = Box<dyn Fn(&Error) + Send + Sync>;

/// How long the same reason is no news.
const OLD: Duration = Duration::from_secs(60);

/// Keeps what was told last.
pub struct Telling {
    listener: Listener,
    last: Mutex<Option<Told>>,
}

struct Told {
    reason: String,
    at: Instant,
}

impl Telling {
    pub fn to(listener: Listener) -> Self {
        Self {
            listener,
            last: Mutex::new(None),
        }
    }

    pub fn tell(&self, error: &Error) {
        if self.is_news(error.to_string(), Instant::now()) {
            (self.listener)(error);
        }
    }

    fn is_news(&self, reason: String, now: Instant) -> bool {
        let mut last = self.last.lock();
        let known = |told: &Told| told.reason == reason && now.saturating_duration_since(told.at) < OLD;
        if last.as_ref().is_some_and(known) {
            return false;
        }
        *last = Some(Told { reason, at: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_told_once_a_minute_and_what_changes_at_once() {
        let telling = Telling::to(Box::new(|_| {}));
        let start = Instant::now();
        let news = |reason: &str, seconds| telling.is_news(reason.to_owned(), start + Duration::from_secs(seconds));
        let said = [
            ("away", 0),
            ("away", 1),
            ("full", 2),
            ("away", 3),
            ("away", 62),
            ("away", 63),
            ("away", 64),
        ];
        let told: Vec<_> = said.into_iter().filter(|&(reason, at)| news(reason, at)).collect();
        assert_eq!(told, [("away", 0), ("full", 2), ("away", 3), ("away", 63)]);
    }
}
