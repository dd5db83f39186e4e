//! The two superblock slots.

use crate::format::BLOCK;
use crate::format::bytes::Put;
use crate::format::epochs::Epoch;
use crate::format::superblock::{Body, COVERED, HEAD, Head, LogHead, SLOTS, Unusable};
use crate::host::File;
use crate::seal::{Purpose, TAG, associated};
use crate::store::Store;
use crate::{Error, Host, VolumeKey};

use super::anchored;

/// A slot that was opened, or written.
#[derive(Clone, Debug)]
pub struct Slot {
    pub head: Head,
    pub body: Body,
}

impl Slot {
    pub fn epoch(&self) -> Epoch {
        Epoch {
            fence: self.head.fence,
            salt: self.head.salt,
        }
    }

    /// The anchor's root for this checkpoint and the log up to `log`.
    pub fn root(&self, log: &LogHead) -> [u8; 32] {
        let body = self.body.encode(self.head.roots);
        anchored::root(&self.head.volume, self.head.generation, &body, log)
    }

    /// Writes the slot and makes it durable.
    pub fn write(&self, store: &mut Store) -> Result<(), Error> {
        let mut body = self.body.encode(self.head.roots);
        let head = self.head.encode();
        let associated = associated_with(&self.head.volume, &head);
        let key = store.keys.of(self.head.fence).ok_or(Error::ReadOnly)?;
        let tag = key.seal(Purpose::Slot, self.head.counter, &associated, &mut body)?;
        let bytes = [head.as_slice(), &tag, &body].concat();
        let written = store.host.write(File::Superblock, offset(self.head.generation), &bytes);
        let flushed = written.and_then(|()| store.host.flush(File::Superblock));
        flushed.map_err(|error| Error::host("write the superblock", &error))
    }

    fn read(host: &dyn Host, key: &VolumeKey, index: u64) -> Result<Self, Error> {
        let mut bytes = vec![0; BLOCK];
        let read = host.read(File::Superblock, offset(index), &mut bytes);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Error::tampered("a superblock that is cut short", place(index)),
            _ => Error::host("read the superblock", &error),
        })?;
        let head = Head::decode(&bytes).map_err(|unusable| match unusable {
            Unusable::Unknown(what, got) => Error::Unsupported { what, got },
            Unusable::Malformed(malformed) => Error::malformed(malformed, place(index)),
        })?;
        Self::open(key, head, &bytes, index)
    }

    fn open(key: &VolumeKey, head: Head, bytes: &[u8], index: u64) -> Result<Self, Error> {
        let broken = || Error::tampered("the superblock", place(index));
        let key = key.epoch(&head.volume, head.fence, &head.salt)?;
        let tag = <[u8; TAG]>::try_from(&bytes[COVERED..HEAD]).map_err(|_| broken())?;
        let associated = associated_with(&head.volume, &bytes[..COVERED]);
        let mut plaintext = vec![0; BLOCK - HEAD];
        let opened = key.open(
            Purpose::Slot,
            head.counter,
            &associated,
            &bytes[HEAD..],
            &tag,
            &mut plaintext,
        );
        opened.map_err(|_| broken())?;
        let body = Body::decode(&plaintext, head.roots);
        let body = body.map_err(|malformed| Error::malformed(malformed, place(index)))?;
        Ok(Self { head, body })
    }
}

/// Both slots, each usable or not.
pub fn read(host: &dyn Host, key: &VolumeKey) -> Result<[Result<Slot, Error>; 2], Error> {
    let length = host
        .length(File::Superblock)
        .map_err(|error| Error::host("look at the superblock", &error))?;
    if length.is_none() {
        return Err(Error::Missing("the folder holds no superblock"));
    }
    Ok([Slot::read(host, key, 0), Slot::read(host, key, 1)])
}

fn offset(generation: u64) -> u64 {
    generation % SLOTS * BLOCK as u64
}

fn place(index: u64) -> String {
    format!("superblock, slot {index}")
}

fn associated_with(volume: &[u8; 16], head: &[u8]) -> Vec<u8> {
    let mut out = associated(Purpose::Slot, volume, BLOCK - HEAD);
    out.put(head);
    out
}
