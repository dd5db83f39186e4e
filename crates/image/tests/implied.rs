//! Directories that a layer's archive leaves out keep what the layers below say of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use casemate_erofs::{Attributes, Writer, kind};
use casemate_image::merged::{Merged, Node, Number};
use casemate_image::sealed::{Growing, Layer, seal};
use casemate_image::unpack::{Limits, unpack};
use tar::{Builder, EntryType, Header};
use tempfile::tempfile;

/// A layer whose archive has these paths in this order; those that end in `/` are directories, of this mode and user.
fn layer(entries: &[(&str, u32)]) -> Layer {
    let mut builder = Builder::new(Vec::new());
    for (path, mode) in entries {
        let kind = if path.ends_with('/') {
            EntryType::Directory
        } else {
            EntryType::Regular
        };
        if kind == EntryType::Directory {
            builder
                .append_pax_extensions([("SCHILY.xattr.user.of", path.as_bytes())])
                .unwrap();
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(*mode);
        header.set_uid(u64::from(*mode));
        header.set_gid(7);
        header.set_mtime(9);
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
    }
    let archive = builder.into_inner().unwrap();
    let growing = Growing::new(tempfile().unwrap(), None, None).unwrap();
    let mut writer = Writer::new(growing, tempfile().unwrap(), Attributes::default()).unwrap();
    unpack(&archive[..], &mut writer, &Limits::default()).unwrap();
    let hashed = writer.finish().unwrap().0.finish().unwrap();
    let mut file = tempfile().unwrap();
    seal(&hashed, &mut file).unwrap();
    Layer::open(file, hashed.root(), None).unwrap()
}

fn merged(layers: &[&[(&str, u32)]]) -> Merged {
    Merged::open(layers.iter().map(|entries| layer(entries)).collect()).unwrap()
}

fn find(image: &Merged, path: &str) -> Node {
    let mut node = Node {
        number: Number::ROOT,
        inode: image.inode(Number::ROOT).unwrap(),
    };
    for name in path.split('/').filter(|name| !name.is_empty()) {
        node = image.lookup(node.number, name.as_bytes()).unwrap();
    }
    node
}

/// Permissions, and whether user, group, time and attributes are of the same entry.
fn said(image: &Merged, path: &str) -> u16 {
    let node = find(image, path);
    let permissions = node.inode.mode & !kind::MASK;
    let extended = image.extended(node.number).unwrap();
    assert_eq!(image.inode(node.number).unwrap(), node.inode);
    let inode = (node.inode.uid, node.inode.gid, node.inode.modified.seconds);
    if extended.is_empty() {
        assert_eq!((permissions, inode), (0o755, (0, 0, 0)), "nobody said anything");
    } else {
        let names: Vec<_> = extended.keys().map(Vec::as_slice).collect();
        assert_eq!((names, inode), (vec![&b"user.of"[..]], (permissions.into(), 7, 9)));
    }
    permissions
}

fn names(image: &Merged, path: &str) -> Vec<String> {
    let entries = image.entries(find(image, path).number).unwrap();
    entries
        .into_iter()
        .map(|entry| String::from_utf8(entry.name).unwrap())
        .collect()
}

#[test]
fn a_directory_that_only_a_member_names_keeps_what_is_said_below() {
    let image = merged(&[
        &[("./", 0o711), ("d/", 0o700), ("d/deep/", 0o710), ("d/one", 0)],
        &[("d/deep/two", 0)],
    ]);
    assert_eq!(
        [said(&image, ""), said(&image, "d"), said(&image, "d/deep")],
        [0o711, 0o700, 0o710]
    );
    assert_eq!(names(&image, "d"), ["deep", "one"]);
    assert_eq!(names(&image, "d/deep"), ["two"]);
}

#[test]
fn the_topmost_layer_that_says_something_is_believed() {
    let image = merged(&[
        &[("./", 0o700), ("d/", 0o700)],
        &[("./", 0o711), ("d/", 0o711)],
        &[("d/one", 0)],
        &[("d/two", 0)],
    ]);
    assert_eq!([said(&image, ""), said(&image, "d")], [0o711, 0o711]);
    assert_eq!(names(&image, "d"), ["one", "two"]);
}

#[test]
fn an_entry_counts_wherever_in_its_archive_it_comes() {
    let image = merged(&[
        &[("./", 0o700), ("d/", 0o700)],
        &[("d/one", 0), ("d/", 0o711), ("./", 0o711)],
    ]);
    assert_eq!([said(&image, ""), said(&image, "d")], [0o711, 0o711]);
}

#[test]
fn where_nobody_says_anything_it_is_as_engines_make_it_and_no_mark_is_shown() {
    for layers in [&[&[("d/one", 0)][..]][..], &[&[("d/one", 0)], &[("d/two", 0)]]] {
        let image = merged(layers);
        assert_eq!([said(&image, ""), said(&image, "d")], [0o755, 0o755]);
    }
}

#[test]
fn a_directory_in_the_place_of_one_that_was_taken_away_is_new() {
    let below: &[(&str, u32)] = &[("d/", 0o700), ("d/old", 0)];
    for above in [[(".wh.d", 0), ("d/new", 0)], [("d/new", 0), (".wh.d", 0)]] {
        let image = merged(&[below, &above]);
        assert_eq!((said(&image, "d"), names(&image, "d")), (0o755, vec!["new".to_owned()]));
    }
    let image = merged(&[below, &[(".wh.d", 0)], &[("d/new", 0)]]);
    assert_eq!((said(&image, "d"), names(&image, "d")), (0o755, vec!["new".to_owned()]));
}

#[test]
fn a_directory_that_is_only_emptied_stays_the_same() {
    let image = merged(&[&[("d/", 0o700), ("d/old", 0)], &[("d/.wh..wh..opq", 0), ("d/new", 0)]]);
    assert_eq!((said(&image, "d"), names(&image, "d")), (0o700, vec!["new".to_owned()]));
    assert_eq!(
        image.links(&find(&image, "d")).unwrap(),
        1,
        "its count is of other content"
    );
    assert!(image.lookup(find(&image, "d").number, b"old").is_err());
    let image = merged(&[&[("./", 0o700), ("old", 0)], &[(".wh..wh..opq", 0), ("new", 0)]]);
    assert_eq!((said(&image, ""), names(&image, "")), (0o700, vec!["new".to_owned()]));
}

#[test]
fn a_root_that_is_emptied_before_its_entry_comes_is_empty() {
    let image = merged(&[
        &[("./", 0o700), ("old", 0)],
        &[(".wh..wh..opq", 0), ("./", 0o711), ("new", 0)],
    ]);
    assert_eq!((said(&image, ""), names(&image, "")), (0o711, vec!["new".to_owned()]));
}

#[test]
fn what_is_no_directory_below_has_nothing_to_say() {
    let image = merged(&[&[("d", 0)], &[("d/one", 0)]]);
    assert_eq!((said(&image, "d"), names(&image, "d")), (0o755, vec!["one".to_owned()]));
}
