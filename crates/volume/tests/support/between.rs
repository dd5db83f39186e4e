//! Disks with somebody in between.

use std::io;

use casemate_volume::host::File;

use super::disk::Disk;

/// What the engine asks of the disk.
#[derive(Clone, Copy)]
pub enum Asked {
    /// To make a file, or to make it longer, up to so many bytes.
    Length(File, u64),
    /// To read so many bytes.
    Read(usize),
    /// To write so many bytes.
    Write(usize),
    Flush,
}

/// Who is in between. With [`between!`] the engine takes it for a host.
pub trait Between {
    fn disk(&self) -> &Disk;

    /// Before the disk is asked; it is not if this fails.
    fn before(&self, asked: Asked) -> io::Result<()>;

    /// What the disk says that it has room for.
    fn room(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

macro_rules! between {
    ($kind:ty) => {
        impl casemate_volume::Host for $kind {
            fn length(&self, file: casemate_volume::host::File) -> std::io::Result<Option<u64>> {
                casemate_volume::Host::length(self.disk(), file)
            }

            fn create(&self, file: casemate_volume::host::File, length: u64) -> std::io::Result<()> {
                self.before($crate::support::between::Asked::Length(file, length))?;
                casemate_volume::Host::create(self.disk(), file, length)
            }

            fn grow(&self, file: casemate_volume::host::File, length: u64) -> std::io::Result<()> {
                self.before($crate::support::between::Asked::Length(file, length))?;
                casemate_volume::Host::grow(self.disk(), file, length)
            }

            fn read(&self, file: casemate_volume::host::File, offset: u64, bytes: &mut [u8]) -> std::io::Result<()> {
                self.before($crate::support::between::Asked::Read(bytes.len()))?;
                casemate_volume::Host::read(self.disk(), file, offset, bytes)
            }

            fn write(&self, file: casemate_volume::host::File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
                self.before($crate::support::between::Asked::Write(bytes.len()))?;
                casemate_volume::Host::write(self.disk(), file, offset, bytes)
            }

            fn room(&self) -> std::io::Result<Option<u64>> {
                $crate::support::between::Between::room(self)
            }

            fn flush(&self, file: casemate_volume::host::File) -> std::io::Result<()> {
                self.before($crate::support::between::Asked::Flush)?;
                casemate_volume::Host::flush(self.disk(), file)
            }
        }
    };
}
pub(crate) use between;
