//! An image as an archive again.

use std::collections::HashMap;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use casemate_erofs::{Inode, kind};
use casemate_image::merged::{Merged, Node, Number};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::arising::Arising;
use crate::listing::walk;
use crate::report::Failure;

/// Bytes that are written at once.
const BUFFER: usize = 1 << 20;

/// Writes an archive of all that the image shows, into a new file.
pub fn export(image: &Merged, target: &Path) -> Result<Value, Failure> {
    let host = |error: io::Error| Failure::host(target, &error);
    let arising = Arising::create(target).map_err(host)?;
    let mut builder = Builder::new(BufWriter::with_capacity(BUFFER, arising.file()));
    let mut first_names = HashMap::new();
    let (mut entries, mut bytes) = (0_u64, 0_u64);
    let root = Node {
        number: Number::ROOT,
        inode: image.inode(Number::ROOT)?,
    };
    append(&mut builder, image, b"./", &root, None).map_err(host)?;
    walk(image, &mut |path, node| {
        let has_names = node.inode.links > 1 && node.inode.mode & kind::MASK != kind::DIRECTORY;
        let first = if has_names {
            first_names.get(&node.number).cloned()
        } else {
            None
        };
        if first.is_none() {
            first_names.insert(node.number, path.to_vec());
            bytes += node.inode.size;
        }
        entries += 1;
        append(&mut builder, image, path, node, first.as_deref()).map_err(host)
    })?;
    let done = builder.into_inner().and_then(|mut out| out.flush());
    done.and_then(|()| arising.finish()).map_err(host)?;
    Ok(json!({"entries": entries, "bytes": bytes}))
}

fn append(
    builder: &mut Builder<impl Write>,
    image: &Merged,
    path: &[u8],
    node: &Node,
    first: Option<&[u8]>,
) -> io::Result<()> {
    let inode = &node.inode;
    let mut said = vec![("path", path.to_vec()), ("mtime", time(inode))];
    let mut header = header(inode);
    if let Some(first) = first {
        header.set_entry_type(EntryType::Link);
        header.set_size(0);
        said.push(("linkpath", first.to_vec()));
    } else if inode.mode & kind::MASK == kind::LINK {
        said.push(("linkpath", image.target(node.number).map_err(io::Error::other)?));
    }
    let extended = image.extended(node.number).map_err(io::Error::other)?;
    let attributes = extended
        .into_iter()
        .map(|(name, value)| ([b"SCHILY.xattr.", &name[..]].concat(), value));
    let said = said
        .into_iter()
        .map(|(key, value)| (key.as_bytes().to_vec(), value))
        .chain(attributes);
    append_said(builder, said)?;
    header.set_cksum();
    let content = Content {
        image,
        number: node.number,
        inode,
        at: 0,
    };
    if header.entry_type() == EntryType::Regular {
        return builder.append(&header, content);
    }
    builder.append(&header, io::empty())
}

/// An extended header (POSIX.1-2017, pax): values hold any byte, so lengths are counted here.
fn append_said(builder: &mut Builder<impl Write>, said: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> io::Result<()> {
    let mut bytes = Vec::new();
    for (key, value) in said {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + digits(rest);
        length = rest + digits(length);
        bytes.extend(length.to_string().as_bytes());
        bytes.push(b' ');
        bytes.extend(key);
        bytes.push(b'=');
        bytes.extend(value);
        bytes.push(b'\n');
    }
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, &bytes[..])
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

fn header(inode: &Inode) -> Header {
    let mut header = Header::new_gnu();
    let kind = match inode.mode & kind::MASK {
        kind::DIRECTORY => EntryType::Directory,
        kind::LINK => EntryType::Symlink,
        kind::CHARACTER => EntryType::Char,
        kind::BLOCK => EntryType::Block,
        kind::FIFO => EntryType::Fifo,
        _ => EntryType::Regular,
    };
    header.set_entry_type(kind);
    header.set_mode(u32::from(inode.mode & !kind::MASK));
    header.set_uid(inode.uid.into());
    header.set_gid(inode.gid.into());
    header.set_size(if kind == EntryType::Regular { inode.size } else { 0 });
    if matches!(kind, EntryType::Char | EntryType::Block) {
        // As Linux splits it (new_decode_dev).
        let _ = header.set_device_major(inode.device >> 8 & 0xfff);
        let _ = header.set_device_minor(inode.device & 0xff | inode.device >> 12 & 0xfff00);
    }
    header
}

/// Seconds with a fraction, also before 1970.
fn time(inode: &Inode) -> Vec<u8> {
    let (seconds, nanoseconds) = (inode.modified.seconds, inode.modified.nanoseconds);
    if seconds < 0 && nanoseconds > 0 {
        return format!("-{}.{:09}", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds).into_bytes();
    }
    format!("{seconds}.{nanoseconds:09}").into_bytes()
}

struct Content<'i> {
    image: &'i Merged,
    number: Number,
    inode: &'i Inode,
    at: u64,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.image.content(self.number, self.inode, self.at, buffer);
        let count = read.map_err(io::Error::other)?;
        self.at += count as u64;
        Ok(count)
    }
}
