//! From a layer's archive to a file system.
//!
//! The archive is hostile. It is read once, as it comes; nothing of it touches the file system of this machine. Rules:
//!
//! 1. Paths are taken from the root of the image on; `..` is refused, and so is a path through anything in the layer
//!    that is no directory. Directories that the archive leaves out are made, and marked: their attributes are those
//!    of the layers below, if these have them.
//! 2. A later entry takes the place of an earlier one of the same path; a directory stays what it is and gets the later
//!    attributes.
//! 3. `.wh.NAME` takes NAME away from the layers below (a device 0/0 for overlayfs), `.wh..wh..opq` all that is below
//!    in its directory (`trusted.overlay.opaque`); in whichever order they come, they take away nothing of this layer.
//! 4. A hard link is another name of what is in this layer.
//! 5. What an entry says twice, or in a way that two readers could read differently, is refused.

mod ahead;
mod archive;
mod compression;
mod entry;
mod error;
mod pax;
mod place;
mod sparse;
mod whole;

use std::io::{Read, Seek, Write};

use casemate_erofs::{Kind, Out, Writer};

pub use error::{Error, Reason};

use archive::{Archive, Broken, Member};
use entry::{Said, Sparse};
use place::{Name, Tree};
use sparse::Parts;
use whole::Whole;

/// What is taken at most: an archive of a few bytes can promise any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files.
    pub bytes: u64,
    /// Entries, and directories that the archive leaves out.
    pub entries: u64,
    /// Bytes of all extended attributes, which wait in memory.
    pub attributes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 30,
            entries: 2_000_000,
            attributes: 64 << 20,
        }
    }
}

/// What was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of all files.
    pub bytes: u64,
    /// Entries, and directories that the archive leaves out.
    pub entries: u64,
    /// Bytes of all extended attributes.
    pub attributes: u64,
    /// SHA-256 of the archive, not compressed, to its very end.
    pub digest: [u8; 32],
}

/// Unpacks an archive into a file system in which nothing is yet, compressed by gzip or zstd or not at all. If not, the
/// file system is told where content lies in the archive.
///
/// # Errors
/// [`Error`].
pub fn unpack<W, S>(archive: impl Read + Send, writer: &mut Writer<W, S>, limits: &Limits) -> Result<Taken, Error>
where
    W: Out,
    S: Read + Write + Seek,
{
    let opened = compression::open(archive).map_err(Error::Archive)?;
    if opened.is_plain {
        return take_hashed(opened.archive, true, writer, limits);
    }
    // To decompress takes longest of all: nothing else is done by the thread that does it.
    let (_, taken) = ahead::read(opened.archive, |archive| take_hashed(archive, false, writer, limits));
    taken
}

fn take_hashed<W, S>(
    archive: impl Read + Send,
    is_plain: bool,
    writer: &mut Writer<W, S>,
    limits: &Limits,
) -> Result<Taken, Error>
where
    W: Out,
    S: Read + Write + Seek,
{
    let (whole, taken) = ahead::read(Whole::new(archive), |parts| take_all(parts, is_plain, writer, limits));
    Ok(Taken {
        digest: whole.digest(),
        ..taken?
    })
}

fn take_all<W, S>(
    archive: &mut ahead::Parts,
    is_plain: bool,
    writer: &mut Writer<W, S>,
    limits: &Limits,
) -> Result<Taken, Error>
where
    W: Out,
    S: Read + Write + Seek,
{
    let mut archive = Archive::new(archive);
    place::imply_root(&mut writer.tree).map_err(|reason| refused(b"/", reason))?;
    let mut unpacking = Unpacking {
        tree: Tree::default(),
        is_plain,
        writer,
        limits,
        taken: Taken::default(),
    };
    while let Some(member) = archive.next().map_err(broken)? {
        unpacking.take(member, &mut archive)?;
    }
    let taken = unpacking.taken;
    if !whole::ends_within(archive.into_inner(), limits.bytes).map_err(Error::Archive)? {
        return Err(Error::Limit {
            what: "bytes behind the archive's end",
            limit: limits.bytes,
        });
    }
    Ok(taken)
}

struct Unpacking<'w, W: Out, S: Write> {
    tree: Tree,
    /// Content lies in the file as in the archive.
    is_plain: bool,
    writer: &'w mut Writer<W, S>,
    limits: &'w Limits,
    taken: Taken,
}

impl<W: Out, S: Read + Write + Seek> Unpacking<'_, W, S> {
    fn take(&mut self, member: Member, archive: &mut Archive<&mut ahead::Parts>) -> Result<(), Error> {
        self.taken.entries += 1;
        within("entries", self.taken.entries, self.limits.entries)?;
        let path = member.path.clone();
        let said = Said::of(member).map_err(|reason| refused(&path, reason))?;
        self.taken.bytes = self.taken.bytes.saturating_add(said.size);
        within("bytes", self.taken.bytes, self.limits.bytes)?;
        let extended = said.attributes.extended.iter();
        self.taken.attributes += extended
            .map(|(name, value)| (name.len() + value.len()) as u64)
            .sum::<u64>();
        within(
            "bytes of extended attributes",
            self.taken.attributes,
            self.limits.attributes,
        )?;
        self.place(said, archive).map_err(|outcome| match outcome {
            Outcome::Refused(reason) => refused(&path, reason),
            Outcome::Archive(error) => Error::Archive(error),
            Outcome::Write(error) => Error::Write(error),
        })?;
        self.taken.entries += std::mem::take(&mut self.tree.implied);
        within("entries", self.taken.entries, self.limits.entries)
    }

    fn place(&mut self, said: Said, archive: &mut Archive<&mut ahead::Parts>) -> Result<(), Outcome> {
        let names = &mut self.writer.tree;
        let (directory, name) = match self.tree.resolve(names, &said.path)? {
            Name::Root => return Ok(self.tree.put_root(names, said.attributes)?),
            Name::In(directory, name) => (directory, name),
        };
        if let Some(taken) = name.strip_prefix(place::WHITEOUT) {
            return Ok(self.tree.take_away(names, directory, taken)?);
        }
        let kind = match said.kind {
            entry::Kind::HardLink(target) => return Ok(self.tree.link(names, directory, name, &target)?),
            entry::Kind::File => Kind::File(self.content(archive, said.size, said.sparse)?),
            entry::Kind::Other(kind) => kind,
        };
        Ok(self
            .tree
            .put(&mut self.writer.tree, directory, name, kind, said.attributes)?)
    }

    fn content(
        &mut self,
        archive: &mut Archive<&mut ahead::Parts>,
        size: u64,
        sparse: Sparse,
    ) -> Result<casemate_erofs::Content, Outcome> {
        let parts = match sparse {
            Sparse::No => None,
            Sparse::Told => Some(Parts::read(archive, size).map_err(Outcome::Archive)?),
            Sparse::Known(parts) => Some(parts),
        };
        let content = match parts {
            None => {
                let lies = self.is_plain.then(|| archive.position());
                self.writer.content_that_lies(archive, size, lies)
            }
            Some(parts) => self.writer.content(&mut sparse::Sparse::new(archive, parts), size),
        };
        content.map_err(|error| match error {
            casemate_erofs::Error::Content(error) => Outcome::Archive(error),
            error => Outcome::Write(error),
        })
    }
}

/// How an entry was not placed.
enum Outcome {
    Refused(Reason),
    Archive(std::io::Error),
    Write(casemate_erofs::Error),
}

impl From<Reason> for Outcome {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

fn broken(broken: Broken) -> Error {
    match broken {
        Broken::Archive(error) => Error::Archive(error),
        Broken::Member(path, reason) => refused(&path, reason),
    }
}

fn refused(path: &[u8], reason: Reason) -> Error {
    Error::Entry {
        path: String::from_utf8_lossy(path).into_owned(),
        reason,
    }
}

fn within(what: &'static str, count: u64, limit: u64) -> Result<(), Error> {
    if count > limit {
        Err(Error::Limit { what, limit })
    } else {
        Ok(())
    }
}
