//! What an entry of an archive says: its header and the extended header before it (POSIX.1-2017, pax).

use std::collections::BTreeMap;

use casemate_erofs::{Attributes, Device, Time};
use tar::{EntryType, Header};

use super::Reason;
use super::archive::Member;
use super::pax::{Extended, number};
use super::sparse::Parts;

/// An entry, understood.
pub struct Said {
    pub path: Vec<u8>,
    pub kind: Kind,
    pub attributes: Attributes,
    /// Bytes of a file; 0 of all else.
    pub size: u64,
    pub sparse: Sparse,
}

/// How a file's data is there.
pub enum Sparse {
    /// Whole.
    No,
    /// In parts that its data begins to tell.
    Told,
    /// In these parts.
    Known(Parts),
}

/// What kind it is.
pub enum Kind {
    /// Its content follows.
    File,
    /// Another name of this path.
    HardLink(Vec<u8>),
    /// All others.
    Other(casemate_erofs::Kind),
}

/// Before the name of an extended attribute.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";
/// Name spaces with which overlayfs speaks to itself.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
const SPARSE: &[u8] = b"GNU.sparse.";
const NANOSECONDS: usize = 9;

impl Said {
    pub fn of(member: Member) -> Result<Self, Reason> {
        let attributes = attributes(&member)?;
        let (path, size, sparse) = match (sparse(&member.extended)?, member.parts) {
            (Some((path, size)), None) => (path, size, Sparse::Told),
            (Some(_), Some(_)) => return Err(Reason::Twice("where data is".into())),
            (None, Some((parts, size))) => (member.path, size, Sparse::Known(parts)),
            (None, None) => (member.path, member.size, Sparse::No),
        };
        let kind = kind(&member.header, path.last() == Some(&b'/'), member.target)?;
        let size = if matches!(kind, Kind::File) { size } else { 0 };
        Ok(Self {
            path,
            kind,
            attributes,
            size,
            sparse,
        })
    }
}

/// Name and size of a sparse file.
fn sparse(extended: &Extended) -> Result<Option<(Vec<u8>, u64)>, Reason> {
    let value = |key: &str| extended.get(&[SPARSE, key.as_bytes()].concat());
    if !extended.keys().any(|key| key.starts_with(SPARSE)) {
        return Ok(None);
    }
    match (value("major"), value("minor"), value("name"), value("realsize")) {
        (Some(major), Some(minor), Some(name), Some(size)) if major == b"1" && minor == b"0" => {
            let size = number(size).ok_or(Reason::Number("size"))?;
            Ok(Some((name.clone(), size)))
        }
        _ => Err(Reason::Unknown("a sparse file in another form than 1.0".into())),
    }
}

fn kind(header: &Header, is_directory: bool, target: Vec<u8>) -> Result<Kind, Reason> {
    use casemate_erofs::Kind as Node;

    Ok(match header.entry_type() {
        // Archives from before directories had a type of their own.
        EntryType::Regular if is_directory => Kind::Other(Node::Directory),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
        EntryType::Directory => Kind::Other(Node::Directory),
        EntryType::Link => Kind::HardLink(target),
        EntryType::Symlink => Kind::Other(Node::Link(target)),
        EntryType::Char => Kind::Other(Node::Character(device(header)?)),
        EntryType::Block => Kind::Other(Node::Block(device(header)?)),
        EntryType::Fifo => Kind::Other(Node::Fifo),
        other => {
            let letter = char::from(other.as_byte());
            return Err(Reason::Unknown(format!("an entry of type {letter:?}")));
        }
    })
}

/// Linux has 12 bits for the driver and 20 for the device.
fn device(header: &Header) -> Result<Device, Reason> {
    let number = |said: std::io::Result<Option<u32>>, below: u32| {
        let number = said.ok().flatten().filter(|number| *number < below);
        number.ok_or(Reason::Number("device"))
    };
    Ok(Device {
        major: number(header.device_major(), 1 << 12)?,
        minor: number(header.device_minor(), 1 << 20)?,
    })
}

fn attributes(member: &Member) -> Result<Attributes, Reason> {
    let header = &member.header;
    let owner = |key: &'static str, said: std::io::Result<u64>| {
        let found = match member.extended.get(key.as_bytes()) {
            Some(digits) => number(digits),
            None => said.ok(),
        };
        found
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(Reason::Number(key))
    };
    let mode = header.mode().map_err(|_| Reason::Number("mode"))?;
    Ok(Attributes {
        permissions: (mode & 0o7777) as u16,
        uid: owner("uid", header.uid())?,
        gid: owner("gid", header.gid())?,
        modified: modified(header, &member.extended)?,
        extended: extended_attributes(&member.extended)?,
    })
}

fn modified(header: &Header, extended: &Extended) -> Result<Time, Reason> {
    let said = match extended.get(&b"mtime"[..]) {
        Some(value) => std::str::from_utf8(value).ok().and_then(time),
        // In base 256 they may be negative: the reader gives their bits.
        None => header.mtime().ok().map(|bits| Time {
            seconds: i64::from_ne_bytes(bits.to_ne_bytes()),
            nanoseconds: 0,
        }),
    };
    said.ok_or(Reason::Number("mtime"))
}

/// Seconds with a fraction; of digits behind the ninth nothing is kept.
fn time(value: &str) -> Option<Time> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let digits = format!("{fraction:0<NANOSECONDS$}");
    let nanoseconds: u32 = digits.get(..NANOSECONDS)?.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        let seconds = seconds.checked_sub(1)?;
        return Some(Time {
            seconds,
            nanoseconds: 1_000_000_000 - nanoseconds,
        });
    }
    Some(Time { seconds, nanoseconds })
}

fn extended_attributes(extended: &Extended) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Reason> {
    let attributes = extended
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(ATTRIBUTE)?, value)));
    attributes
        .map(|(name, value)| {
            if OVERLAY.iter().any(|space| name.starts_with(space)) {
                return Err(Reason::Overlay(shown(name)));
            }
            Ok((name.to_vec(), value.clone()))
        })
        .collect()
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
