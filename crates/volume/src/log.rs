//! The intent log: a ring of sealed groups, each chained to the one before.
//!
//! A group that opens under its epoch's key, at the expected sequence, on top of the expected link, is the next one;
//! anything else is the log's end. Whether it may end there is for the anchor to say.

use crate::Error;
use crate::format::bytes::Put;
use crate::format::epochs::Epoch;
use crate::format::group::{self, COVERED, Change, Head};
use crate::format::superblock::LogHead;
use crate::format::{BLOCK, GROUP_BLOCKS, Roots};
use crate::host::{File, Host};
use crate::seal::{Purpose, TAG, associated, sha256};
use crate::store::{Buffer, Store};

/// The ring, its head, and changes that are not in it yet.
pub struct Log {
    pub blocks: u32,
    pub head: LogHead,
    /// Where the groups that a crash would need begin.
    pub tail: u64,
    /// Up to where the host has promised durability.
    pub flushed: LogHead,
    pending: Vec<u8>,
}

/// A group that was read back.
pub struct Group {
    pub epoch: Epoch,
    pub changes: Vec<Change>,
    /// The log's head once it is applied.
    pub after: LogHead,
}

/// A group that is sealed and not written yet.
pub struct Sealed {
    bytes: Buffer,
    length: usize,
    offset: u64,
    /// How many of the bytes fit before the ring's end.
    first: usize,
}

impl Sealed {
    /// Writes it.
    pub fn write(&self, host: &dyn Host) -> Result<(), Error> {
        let (first, wrapped) = self.bytes.held(self.length).split_at(self.first);
        let written = host.write(File::Log, self.offset, first);
        let written = written.and_then(|()| match wrapped.is_empty() {
            true => Ok(()),
            false => host.write(File::Log, 0, wrapped),
        });
        written.map_err(|error| Error::host("write the log", &error))
    }
}

/// Makes all groups that are written durable.
pub fn flush(host: &dyn Host) -> Result<(), Error> {
    let flushed = host.flush(File::Log);
    flushed.map_err(|error| Error::host("flush the log", &error))
}

impl Log {
    pub fn new(blocks: u32, head: LogHead) -> Self {
        Self {
            blocks,
            head,
            tail: head.position,
            flushed: head,
            pending: Vec::new(),
        }
    }

    pub fn push(&mut self, change: &Change, roots: Roots) {
        change.encode(&mut self.pending, roots);
    }

    /// Bytes of changes that no group holds yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Bytes of the ring that may be written before groups that a crash would need are reached.
    pub fn room(&self) -> u64 {
        (u64::from(self.blocks) - (self.head.position - self.tail)) * BLOCK as u64
    }

    /// Bytes of the ring.
    pub fn size(&self) -> u64 {
        u64::from(self.blocks) * BLOCK as u64
    }

    /// Seals all pending changes as one group, for who writes it once the blocks that it points to are durable. The
    /// head is behind it already: a group that is then not written must be the last.
    pub fn seal(&mut self, store: &mut Store) -> Result<Sealed, Error> {
        let blocks = group::blocks(self.pending.len());
        if blocks > GROUP_BLOCKS || u64::from(blocks) * BLOCK as u64 > self.room() {
            return Err(Error::NoSpace);
        }
        let mut body = group::plaintext(&std::mem::take(&mut self.pending));
        let hash = plaintext_hash(store.roots, &body);
        let volume = store.keys.volume;
        let (fence, counter, _) = store.keys.next()?;
        let salt = store.keys.salt(fence).ok_or(Error::ReadOnly)?;
        let head = Head {
            sequence: self.head.sequence,
            fence,
            counter,
            blocks,
            salt,
        }
        .encode();
        let associated = associated_with(&volume, &head, &self.head.link, body.len());
        let key = store.keys.of(fence).ok_or(Error::ReadOnly)?;
        let tag = key.seal(Purpose::Log, counter, &associated, &mut body)?;
        let sealed = [&head, tag.as_slice(), &body].concat();
        let (length, mut bytes) = (sealed.len(), Buffer::default());
        bytes.room(length).copy_from_slice(&sealed);
        let (offset, first) = self.cut(length);
        self.head = self.after(blocks, &head, &tag, &hash);
        Ok(Sealed {
            bytes,
            length,
            offset,
            first,
        })
    }

    /// The next group, or `None` at the end. The head does not move.
    pub fn peek(&self, store: &Store) -> Result<Option<Group>, Error> {
        let mut first = vec![0; BLOCK];
        self.read(store, &mut first)?;
        let Ok(head) = Head::decode(&first) else {
            return Ok(None);
        };
        let fits = u64::from(head.blocks) * BLOCK as u64 <= self.room();
        if head.sequence != self.head.sequence || !fits {
            return Ok(None);
        }
        let mut bytes = vec![0; head.blocks as usize * BLOCK];
        self.read(store, &mut bytes)?;
        self.open(store, &head, &bytes)
    }

    fn open(&self, store: &Store, head: &Head, bytes: &[u8]) -> Result<Option<Group>, Error> {
        let (covered, rest) = bytes.split_at(COVERED);
        let (tag, sealed) = rest.split_at(TAG);
        let Ok(tag) = <[u8; TAG]>::try_from(tag) else {
            return Ok(None);
        };
        let epoch = Epoch {
            fence: head.fence,
            salt: head.salt,
        };
        let associated = associated_with(&store.keys.volume, covered, &self.head.link, sealed.len());
        let mut plaintext = vec![0; sealed.len()];
        let key = store.keys.claimed(&epoch)?;
        if key
            .open(Purpose::Log, head.counter, &associated, sealed, &tag, &mut plaintext)
            .is_err()
        {
            return Ok(None);
        }
        let changes = group::decode(&plaintext, store.roots);
        let changes = changes.map_err(|malformed| Error::malformed(malformed, "the log"))?;
        let hash = plaintext_hash(store.roots, &plaintext);
        Ok(Some(Group {
            epoch,
            changes,
            after: self.after(head.blocks, covered, &tag, &hash),
        }))
    }

    fn after(&self, blocks: u32, covered: &[u8], tag: &[u8; TAG], hash: &[u8; 32]) -> LogHead {
        LogHead {
            position: self.head.position + u64::from(blocks),
            sequence: self.head.sequence + 1,
            link: sha256(&[b"casemate/volume/link/v1", &self.head.link, covered, tag, hash]),
        }
    }

    fn read(&self, store: &Store, bytes: &mut [u8]) -> Result<(), Error> {
        let (offset, first) = self.cut(bytes.len());
        let (start, wrapped) = bytes.split_at_mut(first);
        let read = store.host.read(File::Log, offset, start);
        let read = read.and_then(|()| match wrapped.is_empty() {
            true => Ok(()),
            false => store.host.read(File::Log, 0, wrapped),
        });
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::NotFound => {
                Error::tampered("a log that is missing or cut short", File::Log.name())
            }
            _ => Error::host("read the log", &error),
        })
    }

    /// Where in the file the head is, and how many of `length` bytes fit before the ring's end.
    fn cut(&self, length: usize) -> (u64, usize) {
        let offset = self.head.position % u64::from(self.blocks) * BLOCK as u64;
        let first = usize::try_from(self.size() - offset).unwrap_or(usize::MAX);
        (offset, first.min(length))
    }
}

fn associated_with(volume: &[u8; 16], head: &[u8], link: &[u8; 32], length: usize) -> Vec<u8> {
    let mut out = associated(Purpose::Log, volume, length);
    out.put(head).put(link);
    out
}

/// In a volume of hash roots the chain binds contents against holders of the key too.
fn plaintext_hash(roots: Roots, plaintext: &[u8]) -> [u8; 32] {
    match roots {
        Roots::Tag => [0; 32],
        Roots::Hash => sha256(&[plaintext]),
    }
}
