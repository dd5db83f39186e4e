//! Members of an archive, one after another (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar
//! Format"). Reading fields of a header is the library's work. The sequence is ours: what is read into memory has a
//! limit, and extended headers are read as they are written, so that no value can pass itself off as a keyword.

use std::io::{self, Read};

use tar::{EntryType, GnuExtSparseHeader, Header};

use super::Reason;
use super::ahead::Parts as Ahead;
use super::pax::{self, Extended};
use super::sparse::Parts;

/// Bytes of a header, and what all else is filled up to.
const BLOCK: usize = 512;
/// Bytes of long names, and of an extended header.
const LONGEST: u64 = 2 << 20;

/// An archive, read from its start on.
pub struct Archive<R> {
    from: R,
    /// Bytes of the last member's content that nobody read, and what fills up its last block.
    left: u64,
    fills: u64,
}

/// A member's header, with what came before it.
pub struct Member {
    /// The header itself.
    pub header: Header,
    /// Its path.
    pub path: Vec<u8>,
    /// Of links: where they lead.
    pub target: Vec<u8>,
    /// The extended header.
    pub extended: Extended,
    /// Bytes that follow.
    pub size: u64,
    /// Of an old sparse file: where its data is, and its size.
    pub parts: Option<(Parts, u64)>,
}

/// Why there is no next member.
pub enum Broken {
    /// The archive cannot be read.
    Archive(io::Error),
    /// A member's headers contradict themselves.
    Member(Vec<u8>, Reason),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Archive(error)
    }
}

/// What came before a header.
#[derive(Default)]
struct Before {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    extended: Option<Vec<u8>>,
}

impl<R: Read> Archive<R> {
    pub fn new(from: R) -> Self {
        Self {
            from,
            left: 0,
            fills: 0,
        }
    }

    /// What it is read from.
    pub fn into_inner(self) -> R {
        self.from
    }

    /// The next member; its content can be read from this. `None` at the end.
    pub fn next(&mut self) -> Result<Option<Member>, Broken> {
        let mut before = Before::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let place = match header.entry_type() {
                EntryType::GNULongName => &mut before.path,
                EntryType::GNULongLink => &mut before.target,
                EntryType::XHeader => &mut before.extended,
                EntryType::XGlobalHeader => {
                    // Says what holds for all members; what engines write there (a comment) means nothing here.
                    self.follow(header.entry_size()?)?;
                    continue;
                }
                _ => return Ok(Some(self.member(header, before)?)),
            };
            let said = self.long(&header)?;
            if place.replace(said).is_some() {
                return Err(Broken::Member(path(&header), Reason::Twice("a long header".into())));
            }
        }
    }

    fn member(&mut self, header: Header, before: Before) -> Result<Member, Broken> {
        let named = before.path.clone().unwrap_or_else(|| path(&header));
        let refused = |reason| Broken::Member(named.clone(), reason);
        let mut extended = pax::parse(&before.extended.unwrap_or_default()).map_err(refused)?;
        for (keyword, long) in [("path", &before.path), ("linkpath", &before.target)] {
            if long.is_some() && extended.contains_key(keyword.as_bytes()) {
                return Err(refused(Reason::Twice(keyword.into())));
            }
        }
        let size = match extended.remove(&b"size"[..]) {
            Some(digits) => pax::number(&digits).ok_or_else(|| refused(Reason::Number("size")))?,
            None => header.entry_size()?,
        };
        let target = header.link_name_bytes().map(Vec::from).unwrap_or_default();
        let parts = self.parts(&header)?;
        self.follow(size)?;
        Ok(Member {
            path: extended.remove(&b"path"[..]).unwrap_or_else(|| named.clone()),
            target: extended.remove(&b"linkpath"[..]).or(before.target).unwrap_or(target),
            extended,
            size,
            parts,
            header,
        })
    }

    /// The next header, its sum checked. `None` where blocks of zeros say that it is over, or nothing follows at all, as
    /// some engines end: whether an archive is whole, its digest says.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        let bytes = header.as_mut_bytes();
        let count = self.from.read(bytes)?;
        if count == 0 {
            return Ok(None);
        }
        self.from.read_exact(&mut bytes[count..])?;
        if header.as_bytes() == &[0; BLOCK] {
            return Ok(None);
        }
        let bytes = header.as_bytes();
        let sum = bytes[..148]
            .iter()
            .chain(&bytes[156..])
            .map(|byte| u32::from(*byte))
            .sum::<u32>();
        if header.cksum()? != sum + 8 * u32::from(b' ') {
            return Err(malformed(
                "a header's sum is wrong: this is no tar archive, or it is damaged",
            ));
        }
        Ok(Some(header))
    }

    /// What follows a header of a long name or an extended one.
    fn long(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        let size = header.entry_size()?;
        if size > LONGEST {
            return Err(malformed("a header takes more than 2 MiB"));
        }
        self.follow(size)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        if header.entry_type() != EntryType::XHeader && bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(bytes)
    }

    /// Where data of an old sparse file is: in its header, and in more of them.
    fn parts(&mut self, header: &Header) -> io::Result<Option<(Parts, u64)>> {
        if header.entry_type() != EntryType::GNUSparse {
            return Ok(None);
        }
        let header = header
            .as_gnu()
            .ok_or_else(|| malformed("a sparse file in an unknown form"))?;
        let size = header.real_size()?;
        let mut parts = Parts::new(size);
        let add = |parts: &mut Parts, said: &[tar::GnuSparseHeader]| {
            said.iter()
                .filter(|part| !part.is_empty())
                .try_for_each(|part| parts.add(part.offset()?, part.length()?))
        };
        add(&mut parts, &header.sparse)?;
        let mut goes_on = header.is_extended();
        while goes_on {
            let mut more = GnuExtSparseHeader::new();
            self.from.read_exact(more.as_mut_bytes())?;
            add(&mut parts, &more.sparse)?;
            goes_on = more.is_extended();
        }
        Ok(Some((parts, size)))
    }

    /// So many bytes of content follow.
    fn follow(&mut self, size: u64) -> io::Result<()> {
        let filled = size.checked_next_multiple_of(BLOCK as u64);
        self.fills = filled.ok_or_else(|| malformed("a size is out of range"))? - size;
        self.left = size;
        Ok(())
    }

    /// Goes on to the next header.
    fn skip(&mut self) -> io::Result<()> {
        let length = self.left + self.fills;
        let skipped = io::copy(&mut self.from.by_ref().take(length), &mut io::sink())?;
        (self.left, self.fills) = (0, 0);
        if skipped < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl Archive<&mut Ahead> {
    /// Bytes before what is read next.
    pub fn position(&self) -> u64 {
        self.from.position()
    }
}

/// Content of the member that came last.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.from.read(&mut buffer[..length])?;
        if count == 0 && length > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn path(header: &Header) -> Vec<u8> {
    header.path_bytes().into_owned()
}

pub fn malformed(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
