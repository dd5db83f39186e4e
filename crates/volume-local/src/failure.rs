use std::io;
use std::path::{Path, PathBuf};

use casemate_volume::Error;
use casemate_volume::host::interrupted_rekey;

/// Why something was not done. Each message is one line for the person who must act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The volume refuses.
    #[error(transparent)]
    Volume(#[from] Error),
    /// The volume refuses what a file of the host was to become.
    #[error("{}: {source}", path.display())]
    About {
        /// The file of the host.
        path: PathBuf,
        /// Why.
        source: Error,
    },
    /// The host refuses.
    #[error("{doing}: {source}")]
    Host {
        /// What was tried, or the path that it was about.
        doing: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody said where the anchor is.
    #[error("an anchor must be named: file:PATH")]
    NoAnchor,
    /// The volume refuses, and a rekeying of it may have been interrupted.
    #[error("{source}; {cure}")]
    Interrupted {
        /// Why.
        source: Error,
        /// What to do.
        cure: String,
    },
    /// What is asked for cannot be.
    #[error("{0}")]
    Usage(String),
    /// The host has no room for a second copy.
    #[error(
        "a copy under the new key needs {needed} bytes beside the volume, and the host has {free}: make room first"
    )]
    NoRoom {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The new key is the volume's, and the rest was not done.
    #[error("the new key is the volume's from now on, and the rest is not done: {0}; run the same command again")]
    Unfinished(Box<Failure>),
    /// Whoever listened to the progress wanted no more.
    #[error("stopped; what is there by now stays")]
    Stopped,
}

impl Failure {
    /// One word for each kind of refusal; it never changes its meaning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Volume(error) | Self::About { source: error, .. } | Self::Interrupted { source: error, .. } => {
                error.code()
            }
            Self::Host { .. } => "host",
            Self::NoAnchor | Self::Usage(_) => "usage",
            Self::NoRoom { .. } => "no-space",
            Self::Unfinished(inner) => inner.code(),
            Self::Stopped => "stopped",
        }
    }

    /// From the host, about one of its paths.
    pub(crate) fn at(path: &Path, error: impl Into<io::Error>) -> Self {
        Self::host(&path.display().to_string(), error)
    }

    pub(crate) fn host(doing: &str, error: impl Into<io::Error>) -> Self {
        Self::Host {
            doing: doing.into(),
            source: error.into(),
        }
    }

    /// Of a volume in `folder` that was to be opened: says what to do where rekeying it was interrupted.
    pub(crate) fn opening(self, folder: &Path) -> Self {
        match self {
            Self::Volume(source) => match interrupted_rekey(folder, &source) {
                Some(cure) => Self::Interrupted { source, cure },
                None => Self::Volume(source),
            },
            other => other,
        }
    }

    /// Names the file of the host where that is not done yet.
    pub(crate) fn about(self, path: &Path) -> Self {
        match self {
            Self::Volume(source) => Self::About {
                path: path.into(),
                source,
            },
            other => other,
        }
    }
}
