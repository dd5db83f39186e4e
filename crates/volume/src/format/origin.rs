//! What a volume is a copy of, and how far a copy that is under way has come.

use super::bytes::{Put, Reader, check, short};
use super::key::{Key, Kind};
use super::{Malformed, NAME};

/// Where it is in the tree.
pub const KEY: Key = Key::new(Kind::Origin, 0, 0);

/// One state of one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub volume: [u8; 16],
    /// Generation of the checkpoint that it is, or behind which it is.
    pub generation: u64,
    /// Binds the whole of it: an anchored root, or the hash of a snapshot's pointer.
    pub identity: [u8; 32],
}

/// As stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What this volume is, or becomes.
    pub source: State,
    pub progress: Progress,
}

/// Whether a copy is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it is here, since this generation of this volume.
    Whole(u64),
    /// Some of it.
    UnderWay(UnderWay),
}

/// A copy that somebody has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// Identity of the source's state that this volume was before; zeros where it was empty.
    pub since: [u8; 32],
    /// The first key of the source that is perhaps not here yet.
    pub next: Key,
    /// Name of the snapshot that the whole copy gets; empty: none.
    pub name: Vec<u8>,
}

impl Origin {
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let whole = reader.u8()?;
        check(whole <= 1 && reader.array::<7>()? == [0; 7], "a reserved byte is set")?;
        let source = State {
            volume: reader.array()?,
            generation: reader.u64()?,
            identity: reader.array()?,
        };
        let progress = if whole == 1 {
            Progress::Whole(reader.u64()?)
        } else {
            Progress::UnderWay(UnderWay::decode(&mut reader)?)
        };
        reader.end()?;
        Ok(Self { source, progress })
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let whole = matches!(self.progress, Progress::Whole(_));
        out.put_u8(whole.into()).put(&[0; 7]);
        out.put(&self.source.volume)
            .put_u64(self.source.generation)
            .put(&self.source.identity);
        match &self.progress {
            Progress::Whole(generation) => out.put_u64(*generation),
            Progress::UnderWay(under_way) => under_way.encode(&mut out),
        };
        out
    }
}

impl UnderWay {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (since, next) = (reader.array()?, Key::decode(reader)?);
        let length = reader.u8()?.into();
        Ok(Self {
            since,
            next,
            name: reader.bytes(length)?.to_vec(),
        })
    }

    fn encode<'o>(&self, out: &'o mut Vec<u8>) -> &'o mut Vec<u8> {
        debug_assert!(self.name.len() <= NAME, "a snapshot has this name");
        out.put(&self.since);
        self.next.encode(out);
        out.put_u8(short(self.name.len())).put(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> [Origin; 3] {
        let source = State {
            volume: [1; 16],
            generation: 7,
            identity: [2; 32],
        };
        let under_way = |name: &[u8]| {
            Progress::UnderWay(UnderWay {
                since: [3; 32],
                next: Key::new(Kind::Extent, 5, 4096),
                name: name.to_vec(),
            })
        };
        [Progress::Whole(9), under_way(b""), under_way(&[b'n'; NAME])].map(|progress| Origin { source, progress })
    }

    #[test]
    fn what_is_stored_is_what_is_read() {
        for (origin, length) in origins().iter().zip([72, 114, 369]) {
            let bytes = origin.encode();
            assert_eq!(bytes.len(), length);
            assert_eq!(Origin::decode(&bytes).as_ref(), Ok(origin));
            for changed in [&bytes[..length - 1], &[bytes.as_slice(), &[0]].concat()] {
                assert!(Origin::decode(changed).is_err());
            }
            for reserved in 0..8 {
                let mut changed = bytes.clone();
                changed[reserved] |= 2;
                assert_eq!(Origin::decode(&changed), Err(Malformed("a reserved byte is set")));
            }
        }
    }
}
