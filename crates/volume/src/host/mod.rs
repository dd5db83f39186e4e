//! The host's files: everything below this line is untrusted.

mod folder;
mod rekeyed;

use std::io;

pub use folder::Folder;
pub use rekeyed::{interrupted_rekey, rekeyed_beside};

/// One of the volume's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum File {
    /// Two slots.
    Superblock,
    /// The intent log's ring.
    Log,
    /// Up to 256 MiB of data and nodes.
    Segment(u32),
}

impl File {
    /// Its name in a folder: it says nothing of what is inside.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Superblock => "superblock".into(),
            Self::Log => "log".into(),
            Self::Segment(index) => format!("segment-{index:08x}"),
        }
    }
}

impl std::fmt::Display for File {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name())
    }
}

/// Input and output on the host's files. A read behind a file's end is an error, never zeros.
pub trait Host: Send + Sync {
    /// Length of a file, or `None` where there is none.
    ///
    /// # Errors
    /// From the host.
    fn length(&self, file: File) -> io::Result<Option<u64>>;

    /// Makes a file of `length` zeros. Its name and length are durable when this returns.
    ///
    /// # Errors
    /// From the host; also when the file exists.
    fn create(&self, file: File, length: u64) -> io::Result<()>;

    /// Makes a file longer, with zeros. Durable at the next flush.
    ///
    /// # Errors
    /// From the host.
    fn grow(&self, file: File, length: u64) -> io::Result<()>;

    /// Reads exactly `bytes`.
    ///
    /// # Errors
    /// From the host; [`io::ErrorKind::UnexpectedEof`] behind the end.
    fn read(&self, file: File, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes`. Durable at the next flush, in any order before.
    ///
    /// # Errors
    /// From the host.
    fn write(&self, file: File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Bytes that segments may come to take on the host: what they have, and what is free. `None` where that is not
    /// known.
    ///
    /// # Errors
    /// From the host.
    fn room(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Takes back the host's space for a range, which nobody will read before writing it again. A host that has no such
    /// thing does nothing.
    ///
    /// # Errors
    /// From the host.
    fn discard(&self, _file: File, _offset: u64, _length: u64) -> io::Result<()> {
        Ok(())
    }

    /// Makes all earlier writes to this file durable.
    ///
    /// # Errors
    /// From the host. What was durable is unknown then, and stays so.
    fn flush(&self, file: File) -> io::Result<()>;
}
