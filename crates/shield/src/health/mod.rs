//! The health check of an image, which the container engine asks for and the shield runs (spec/manifest.md, "Health").
//!
//! ```text
//! engine starts `casemate-shield --health` in the container         ask
//!   └ asks the shield over a socket: no word goes in, one comes out   listen
//!       └ which asks a process beside the workload, confined as it is   check
//! ```
//!
//! Whoever is in the container may ask, the host first of all. It learns one bit and makes the check run, one at a time
//! and not too often; the check itself, its output and its environment stay in the domain.

pub(crate) mod check;
pub(crate) mod listen;

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Where the shield listens: what engines mount at /dev is memory of each container alone, and can be written to where
/// the root cannot.
const SOCKET: &str = "/dev/casemate-health";
/// Longest time without an answer: a check that takes as long as one may, behind another one.
const PATIENCE: Duration = Duration::from_secs(3 * 60 * 60);

/// What is told of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The check succeeds.
    Healthy,
    /// It does not.
    Unhealthy,
    /// There is no workload yet.
    Starting,
}

impl Health {
    const ALL: [Self; 3] = [Self::Healthy, Self::Unhealthy, Self::Starting];

    /// The word for it, on the socket and for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
        }
    }

    fn read(from: impl Read) -> io::Result<Self> {
        let mut said = String::new();
        from.take(16).read_to_string(&mut said)?;
        let found = Self::ALL.into_iter().find(|health| health.word() == said);
        found.ok_or_else(|| io::Error::other("the shield ended, or something else listens"))
    }
}

/// Asks the shield of this container.
///
/// # Errors
/// That nobody listens, or nobody answers.
pub fn ask() -> io::Result<Health> {
    let socket = UnixStream::connect(SOCKET).map_err(|error| {
        let cure = "is this a container of a protected image with a health check?";
        io::Error::other(format!("{SOCKET} cannot be reached ({error}): {cure}"))
    })?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Health::read(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_what_it_means_and_nothing_else_is() {
        for health in Health::ALL {
            assert_eq!(Health::read(health.word().as_bytes()).expect("a word"), health);
        }
        for other in ["", "health", "healthy ", "healthy\n", "healthyhealthyhealthy", "\u{0}"] {
            assert!(Health::read(other.as_bytes()).is_err(), "{other:?}");
        }
    }
}
