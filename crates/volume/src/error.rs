use thiserror::Error as ThisError;

use crate::format::Malformed;

/// Why a volume refuses. Each message is one line for the person who must act.
#[derive(Clone, Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that this key never sealed, or not for this place.
    #[error("the volume was tampered with, or this is not its key: {what} at {place} is not what was written")]
    Tampered {
        /// What was read.
        what: &'static str,
        /// Where the host holds it.
        place: String,
    },
    /// Everything is genuine and too old.
    #[error("the volume was rolled back: the anchor expects {expected}, the host has {got}; restore the newest copy")]
    RolledBack {
        /// What the anchor says.
        expected: String,
        /// What the host's files lead to.
        got: String,
    },
    /// The files of another volume.
    #[error("another volume: the anchor is of {expected}, the files are of {got}")]
    WrongVolume {
        /// Identity in the anchor.
        expected: String,
        /// Identity in the files.
        got: String,
    },
    /// No volume here.
    #[error("there is no volume: {0}")]
    Missing(&'static str),
    /// A volume is here already.
    #[error("there is a volume already: {0}; it is not overwritten")]
    Occupied(&'static str),
    /// Made by a later release.
    #[error("the volume's {what} is {got:#x}, which this release does not know; use a newer one")]
    Unsupported {
        /// What is unknown.
        what: &'static str,
        /// Its value.
        got: u32,
    },
    /// Another writer on this host.
    #[error("the volume is locked: another program has it mounted for writing")]
    Locked,
    /// Another writer took over.
    #[error("fenced: the anchor was moved by another writer (fence {0}); this mount serves no more writes")]
    Fenced(u64),
    /// The anchor says that the volume is closed for ever.
    #[error("the volume was retired")]
    Retired,
    /// More writers than the table of epochs holds.
    #[error("the volume was mounted for writing too often; it can be read: copy it into a new one")]
    WornOut,
    /// The anchor gives no answer.
    #[error("the anchor cannot be used: {0}; nothing was acknowledged")]
    Anchor(String),
    /// The host failed, or an earlier failure closed the volume for writing.
    #[error("the host failed: {0}; the volume takes no more writes until it is mounted again")]
    Host(String),
    /// A copy that is under way: a mixture of two states.
    #[error("the volume is an unfinished copy: run the same copy again to finish it, or show one of its snapshots")]
    Unfinished,
    /// Something cannot be copied to where it was to be copied. With the cure.
    #[error("nothing is copied: {0}")]
    NotCopied(String),
    /// No room.
    #[error("no space is left in the volume")]
    NoSpace,
    /// A mount for reading.
    #[error("the volume is mounted for reading only")]
    ReadOnly,
    /// No entropy.
    #[error("no random bytes could be had")]
    Random,
    /// No such file.
    #[error("no such file or directory")]
    NotFound,
    /// The name is taken.
    #[error("the name exists")]
    Exists,
    /// A directory is needed.
    #[error("not a directory")]
    NotDirectory,
    /// Anything but a directory is needed.
    #[error("is a directory")]
    IsDirectory,
    /// A directory that holds something.
    #[error("the directory is not empty")]
    NotEmpty,
    /// A name or link target that is too long.
    #[error("the name is too long")]
    NameTooLong,
    /// Arguments that mean nothing.
    #[error("invalid argument")]
    Invalid,
    /// What nobody may do: a second name for a directory.
    #[error("operation not permitted")]
    NotPermitted,
    /// Over 16 TiB.
    #[error("the file would be too large")]
    TooLarge,
    /// Too many names of one inode.
    #[error("too many links")]
    TooManyLinks,
    /// Neither data nor a hole from there on.
    #[error("nothing is there from this offset on")]
    NothingThere,
    /// No such extended attribute.
    #[error("no such attribute")]
    NoAttribute,
    /// A value of an extended attribute over one block.
    #[error("the attribute's value is too long")]
    AttributeTooLong,
}

impl Error {
    /// The error number of Linux that a file system front answers with.
    #[must_use]
    pub fn errno(&self) -> i32 {
        use rustix::io::Errno;
        let errno = match self {
            Self::NoSpace => Errno::NOSPC,
            Self::ReadOnly => Errno::ROFS,
            Self::NotFound | Self::Missing(_) => Errno::NOENT,
            Self::Exists | Self::Occupied(_) => Errno::EXIST,
            Self::NotDirectory => Errno::NOTDIR,
            Self::IsDirectory => Errno::ISDIR,
            Self::NotEmpty => Errno::NOTEMPTY,
            Self::NameTooLong => Errno::NAMETOOLONG,
            Self::Invalid => Errno::INVAL,
            Self::NotPermitted => Errno::PERM,
            Self::TooLarge => Errno::FBIG,
            Self::TooManyLinks => Errno::MLINK,
            Self::NothingThere => Errno::NXIO,
            Self::NoAttribute => Errno::NODATA,
            Self::AttributeTooLong => Errno::TOOBIG,
            Self::Locked => Errno::BUSY,
            _ => Errno::IO,
        };
        errno.raw_os_error()
    }

    /// One word for each kind of refusal, for programs; it never changes its meaning.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tampered { .. } => "tampered",
            Self::RolledBack { .. } => "rolled-back",
            Self::WrongVolume { .. } => "wrong-volume",
            Self::Missing(_) => "missing",
            Self::Occupied(_) => "occupied",
            Self::Unsupported { .. } => "unsupported",
            Self::Locked => "locked",
            Self::Fenced(_) => "fenced",
            Self::Retired => "retired",
            Self::WornOut => "worn-out",
            Self::Anchor(_) => "anchor",
            Self::NoSpace => "no-space",
            Self::Unfinished => "unfinished",
            Self::NotCopied(_) => "not-copied",
            Self::Invalid => "usage",
            _ => "host",
        }
    }

    pub(crate) fn tampered(what: &'static str, place: impl Into<String>) -> Self {
        let place = place.into();
        Self::Tampered { what, place }
    }

    /// Sealed with the key, and still not of the documented form.
    pub(crate) fn malformed(malformed: Malformed, place: impl Into<String>) -> Self {
        Self::tampered(malformed.0, place)
    }

    pub(crate) fn host(doing: &str, error: &std::io::Error) -> Self {
        Self::Host(format!("{doing}: {error}"))
    }
}
