//! Layers as one tree. The model applies each layer to a map of paths, as engines apply them to a folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

use casemate_erofs::{Attributes, ReadError, Writer, kind};
use casemate_image::merged::{Merged, Number};
use casemate_image::sealed::{Growing, ImageKey, Layer, seal};
use casemate_image::unpack::{Limits, unpack};
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};
use tempfile::tempfile;

/// An entry of a layer's archive.
#[derive(Clone, Debug)]
enum Said {
    Directory(String),
    File(String, Vec<u8>),
    Gone(String),
    Opaque(String),
}

fn archive(layer: &[Said]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for said in layer {
        let (kind, path, bytes) = match said {
            Said::Directory(path) => (EntryType::Directory, path.clone(), &[][..]),
            Said::File(path, bytes) => (EntryType::Regular, path.clone(), &bytes[..]),
            Said::Gone(path) => (EntryType::Regular, marked(path), &[][..]),
            Said::Opaque(path) => (EntryType::Regular, format!("{path}/.wh..wh..opq"), &[][..]),
        };
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, path, bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn marked(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.wh.{name}"),
        None => format!(".wh.{path}"),
    }
}

fn sealed(archive: &[u8], key: &ImageKey) -> Layer {
    let growing = Growing::new(tempfile().unwrap(), None, Some(key)).unwrap();
    let mut writer = Writer::new(growing, tempfile().unwrap(), Attributes::default()).unwrap();
    unpack(archive, &mut writer, &Limits::default()).unwrap();
    let hashed = writer.finish().unwrap().0.finish().unwrap();
    let mut file = tempfile().unwrap();
    seal(&hashed, &mut file).unwrap();
    file.flush().unwrap();
    let again: File = file.try_clone().unwrap();
    Layer::open(again, hashed.root(), Some(key)).unwrap()
}

fn merged(layers: &[Vec<Said>]) -> Merged {
    let key = ImageKey::new([3; 32]);
    Merged::open(layers.iter().map(|layer| sealed(&archive(layer), &key)).collect()).unwrap()
}

/// Path → content; `None` for directories.
type Model = BTreeMap<String, Option<Vec<u8>>>;

fn remove(model: &mut Model, path: &str, itself: bool) {
    let below = format!("{path}/");
    model.retain(|other, _| !(itself && other == path || other.starts_with(&below)));
}

/// As an engine does it: first what the layer takes away, then what it has.
fn apply(model: &mut Model, layer: &[Said]) {
    for said in layer {
        match said {
            Said::Gone(path) => remove(model, path, true),
            Said::Opaque(path) => remove(model, path, false),
            Said::Directory(_) | Said::File(..) => {}
        }
    }
    for said in layer {
        let (path, content) = match said {
            Said::Directory(path) | Said::Opaque(path) => (path.clone(), None),
            Said::File(path, bytes) => (path.clone(), Some(bytes.clone())),
            // Its directory is there, if only for the mark.
            Said::Gone(path) => match path.rsplit_once('/') {
                Some((folder, _)) => (folder.to_owned(), None),
                None => continue,
            },
        };
        for (at, _) in path.match_indices('/') {
            put(model, &path[..at], None);
        }
        put(model, &path, content);
    }
}

fn put(model: &mut Model, path: &str, content: Option<Vec<u8>>) {
    if content.is_some() || model.get(path).is_some_and(Option::is_some) {
        remove(model, path, true);
    }
    model.insert(path.to_owned(), content);
}

fn visit(image: &Merged, directory: Number, above: &str, model: &mut Model) {
    for entry in image.entries(directory).unwrap() {
        let name = String::from_utf8(entry.name.clone()).unwrap();
        let path = if above.is_empty() {
            name
        } else {
            format!("{above}/{name}")
        };
        let node = image.lookup(directory, &entry.name).unwrap();
        let listed = image.node(directory, &entry).unwrap();
        assert_eq!((listed.number, listed.inode), (node.number, node.inode));
        assert_eq!(entry.kind, node.inode.mode & kind::MASK);
        if entry.kind == kind::DIRECTORY {
            model.insert(path.clone(), None);
            visit(image, node.number, &path, model);
            continue;
        }
        let mut bytes = vec![0; 10_000];
        let count = image.content(node.number, &node.inode, 0, &mut bytes).unwrap();
        bytes.truncate(count);
        model.insert(path, Some(bytes));
    }
}

fn shown(layers: &[Vec<Said>]) -> Model {
    let mut model = Model::new();
    visit(&merged(layers), Number::ROOT, "", &mut model);
    model
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..4).prop_map(|names| names.join("/"))
}

/// A layer that an engine could have written: no path twice, none through a file.
fn layer() -> impl Strategy<Value = Vec<Said>> {
    let said = prop_oneof![
        2 => path().prop_map(Said::Directory),
        4 => (path(), prop::collection::vec(any::<u8>(), 0..5000)).prop_map(|(path, bytes)| Said::File(path, bytes)),
        2 => path().prop_map(Said::Gone),
        1 => path().prop_map(Said::Opaque),
    ];
    prop::collection::vec(said, 0..8).prop_map(possible)
}

fn possible(layer: Vec<Said>) -> Vec<Said> {
    let mut kept: Vec<Said> = Vec::new();
    for said in layer {
        let (path, is_directory) = place(&said);
        let fits = kept.iter().map(place).all(|(other, other_is)| {
            let below = |one: &str, two: &str| one.starts_with(&format!("{two}/"));
            let same = path == other && !(is_directory && other_is && !is_gone(&said));
            !(same || below(path, other) && !other_is || below(other, path) && !is_directory)
        });
        if fits {
            kept.push(said);
        }
    }
    kept
}

fn place(said: &Said) -> (&str, bool) {
    match said {
        Said::Directory(path) | Said::Opaque(path) => (path, true),
        Said::File(path, _) | Said::Gone(path) => (path, false),
    }
}

fn is_gone(said: &Said) -> bool {
    matches!(said, Said::Gone(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn layers_show_what_engines_would_unpack(layers in prop::collection::vec(layer(), 1..5)) {
        let mut model = Model::new();
        layers.iter().for_each(|layer| apply(&mut model, layer));
        prop_assert_eq!(shown(&layers), model);
    }
}

#[test]
fn what_is_taken_away_is_gone_and_can_come_again() {
    let file = |path: &str, content: &str| Said::File(path.into(), content.into());
    let layers = [
        vec![file("folder/one", "1"), file("folder/two", "2"), file("file", "old")],
        vec![Said::Gone("folder".into()), Said::Gone("file".into())],
        vec![file("folder/three", "3"), file("file", "new")],
    ];
    let names = |model: Model| model.into_keys().collect::<Vec<_>>();
    assert_eq!(names(shown(&layers[..2])), Vec::<String>::new());
    assert_eq!(names(shown(&layers)), ["file", "folder", "folder/three"]);
    let image = merged(&layers[..2]);
    assert!(matches!(image.lookup(Number::ROOT, b"file"), Err(ReadError::NotFound)));
}

#[test]
fn numbers_that_nobody_gave_are_refused() {
    let image = merged(&[vec![Said::File("file".into(), vec![1])]]);
    for bits in [0, 2, 3, 255, 1 << 40, u64::MAX] {
        let number = Number::from_bits(bits);
        assert!(image.entries(number).is_err() && image.lookup(number, b"file").is_err());
        let _ = (image.inode(number), image.extended(number), image.target(number));
    }
}
