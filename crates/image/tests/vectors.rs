//! The layers in spec/vectors/image: format version 1, which every release reads and writes in the same way.
//!
//! CASEMATE_WRITE_VECTORS=1 writes them anew; that is right only while version 1 is not released.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Seek;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use casemate_erofs::{Attributes, Device, Kind, Node, Reader, Source, Time, Tree as Names, Writer, kind};
use casemate_image::sealed::{Growing, ImageKey, Layer, Root, seal};
use serde_json::{Value, json};
use tempfile::tempfile;

type Making = Writer<File, File>;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors/image")
}

fn attributes(permissions: u16) -> Attributes {
    Attributes {
        permissions,
        uid: 1000,
        gid: 70_000,
        modified: Time {
            seconds: -7,
            nanoseconds: 123_456_789,
        },
        extended: BTreeMap::new(),
    }
}

fn with(name: &str, value: &[u8]) -> Attributes {
    Attributes {
        extended: BTreeMap::from([(name.as_bytes().to_vec(), value.to_vec())]),
        ..attributes(0o755)
    }
}

fn file(writer: &mut Making, directory: Node, name: &[u8], bytes: &[u8]) -> Node {
    let content = writer.content(&mut &bytes[..], bytes.len() as u64).unwrap();
    writer
        .tree
        .put(directory, name, Kind::File(content), attributes(0o640))
        .unwrap()
}

/// Everything that the format has: short content and long, holes, a long directory, all kinds, marks and attributes.
fn make() -> File {
    let mut writer = Writer::new(tempfile().unwrap(), tempfile().unwrap(), attributes(0o755)).unwrap();
    let pattern: Vec<u8> = (0..20_000_u32).map(|at| (at / 3 % 251) as u8).collect();
    let mut holes = vec![0; 200_000];
    holes[100_000..100_100].copy_from_slice(&pattern[..100]);
    let short = file(&mut writer, Names::ROOT, b"short", b"short content");
    file(&mut writer, Names::ROOT, b"long", &pattern);
    file(&mut writer, Names::ROOT, b"empty", b"");
    file(&mut writer, Names::ROOT, b"holes", &holes);
    file(&mut writer, Names::ROOT, b"no \xff UTF-8", b"");
    let opaque = with("trusted.overlay.opaque", b"y");
    let directory = writer
        .tree
        .put(Names::ROOT, b"directory", Kind::Directory, opaque)
        .unwrap();
    writer.tree.link(directory, b"hard link", short).unwrap();
    for number in 0..40 {
        file(
            &mut writer,
            directory,
            format!("{number:03}{}", "n".repeat(120)).as_bytes(),
            b"",
        );
    }
    let null = Device {
        major: 1,
        minor: 0x1_0003,
    };
    let kinds = [
        (&b"link"[..], Kind::Link(b"directory/../long".to_vec())),
        (b"device", Kind::Character(null)),
        (b"taken", Kind::Character(Device { major: 0, minor: 0 })),
        (b"pipe", Kind::Fifo),
    ];
    for (name, kind) in kinds {
        writer
            .tree
            .put(Names::ROOT, name, kind, with("user.note", b"an attribute"))
            .unwrap();
    }
    writer.finish().unwrap().0
}

struct Whole(File);

impl Source for Whole {
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(out, offset)
    }
}

/// What is in it, directories before what is in them.
fn describe(reader: &Reader<Whole>, directory: u64, above: &[u8], entries: &mut Vec<Value>) {
    let directory = reader.inode(directory).unwrap();
    for entry in reader.entries(&directory).unwrap() {
        if entry.name == b"." || entry.name == b".." {
            continue;
        }
        let path = [above, &entry.name].concat();
        let inode = reader.inode(entry.number).unwrap();
        let attributes = reader.extended(&inode).unwrap().into_iter();
        let attributes = attributes.map(|(name, value)| (String::from_utf8(name).unwrap(), hex(&value).into()));
        let mut line = json!({
            "path": STANDARD.encode(&path),
            "mode": format!("{:o}", inode.mode),
            "owner": [inode.uid, inode.gid],
            "links": inode.links,
            "modified": [inode.modified.seconds, inode.modified.nanoseconds],
            "device": inode.device,
            "attributes": attributes.collect::<serde_json::Map<_, _>>(),
        });
        if matches!(entry.kind, kind::FILE | kind::LINK) {
            let mut bytes = vec![0; usize::try_from(inode.size).unwrap()];
            reader.content(&inode, 0, &mut bytes).unwrap();
            line["size"] = inode.size.into();
            line["sha256"] = hex(digest(&SHA256, &bytes).as_ref()).into();
        }
        entries.push(line);
        if entry.kind == kind::DIRECTORY {
            describe(reader, entry.number, &[&path[..], b"/"].concat(), entries);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn description(image: &File, root: &Root, key: Option<[u8; 32]>) -> String {
    let reader = Reader::open(Whole(image.try_clone().unwrap())).unwrap();
    let mut entries = Vec::new();
    describe(&reader, reader.root(), b"", &mut entries);
    let key = key.map(|key| hex(&key));
    let said = json!({"root": root.to_string(), "key": key, "entries": entries});
    format!("{}\n", serde_json::to_string_pretty(&said).unwrap())
}

#[test]
fn layers_are_written_and_read_as_they_always_were() {
    let mut image = make();
    for (name, bytes) in [("encrypted", Some([7; 32])), ("authenticated", None)] {
        let key = bytes.map(ImageKey::new);
        let mut growing = Growing::new(tempfile().unwrap(), None, key.as_ref()).unwrap();
        image.rewind().unwrap();
        std::io::copy(&mut image, &mut growing).unwrap();
        let hashed = growing.finish().unwrap();
        let mut layer = Vec::new();
        seal(&hashed, &mut layer).unwrap();
        let said = description(&image, &hashed.root(), bytes);
        let [of_layer, of_said] = ["layer", "json"].map(|kind| folder().join(format!("{name}.{kind}")));
        if std::env::var_os("CASEMATE_WRITE_VECTORS").is_some() {
            fs::write(&of_layer, &layer).unwrap();
            fs::write(&of_said, &said).unwrap();
        }
        assert!(fs::read(&of_layer).unwrap() == layer, "{name}");
        assert!(fs::read_to_string(&of_said).unwrap() == said, "{name}");
        let root = Root::parse(&hashed.root().to_string()).unwrap();
        Layer::open(File::open(of_layer).unwrap(), root, key.as_ref()).unwrap();
    }
}
