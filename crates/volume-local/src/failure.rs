use std::io;
use std::path::{Path, PathBuf};

use casemate_volume::Error;

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
    /// Whoever listened to the progress wanted no more.
    #[error("stopped; what is there by now stays")]
    Stopped,
}

impl Failure {
    /// One word for each kind of refusal; it never changes its meaning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Volume(error) | Self::About { source: error, .. } => error.code(),
            Self::Host { .. } => "host",
            Self::NoAnchor => "usage",
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
