//! What is in an image, for people who compare it.

use aws_lc_rs::digest::{Context, SHA256};
use casemate_erofs::{Inode, ReadError, kind};
use casemate_image::merged::{Merged, Node, Number};
use casemate_request::{hex, say};
use serde_json::{Value, json};

use crate::report::Failure;

/// Bytes of a file that are read at once.
const STEP: usize = 1 << 20;

/// Says each path with all that it is, sorted within each directory.
pub fn list(image: &Merged, digests: bool) -> Result<Value, Failure> {
    let mut count = 0_u64;
    walk(image, &mut |path, node| {
        count += 1;
        let line = describe(image, path, node, digests)?;
        say(&json!({"entry": line}));
        Ok(())
    })?;
    Ok(json!({"entries": count}))
}

/// Goes through an image, directories before what is in them.
pub fn walk(image: &Merged, visit: &mut impl FnMut(&[u8], &Node) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut waiting = vec![(Vec::new(), Number::ROOT)];
    while let Some((path, directory)) = waiting.pop() {
        let mut below = Vec::new();
        for entry in image.entries(directory)? {
            let node = image.lookup(directory, &entry.name)?;
            let path = [&path[..], &entry.name].concat();
            visit(&path, &node)?;
            if node.inode.mode & kind::MASK == kind::DIRECTORY {
                below.push(([&path[..], b"/"].concat(), node.number));
            }
        }
        waiting.extend(below.into_iter().rev());
    }
    Ok(())
}

fn describe(image: &Merged, path: &[u8], node: &Node, digests: bool) -> Result<Value, Failure> {
    let inode = &node.inode;
    let extended = image.extended(node.number)?;
    let attributes = extended
        .iter()
        .map(|(name, value)| (shown(name), Value::from(hex(value))));
    let mut line = json!({
        "path": shown(path),
        "mode": format!("{:06o}", inode.mode),
        "uid": inode.uid,
        "gid": inode.gid,
        "modified": [inode.modified.seconds, inode.modified.nanoseconds],
        "attributes": attributes.collect::<serde_json::Map<_, _>>(),
    });
    match inode.mode & kind::MASK {
        kind::FILE => {
            line["size"] = inode.size.into();
            if digests {
                line["digest"] = format!("sha256:{}", digest(image, node.number, inode)?).into();
            }
        }
        kind::LINK => line["target"] = shown(&image.target(node.number)?).into(),
        kind::CHARACTER | kind::BLOCK => line["device"] = inode.device.into(),
        _ => {}
    }
    Ok(line)
}

fn digest(image: &Merged, number: Number, inode: &Inode) -> Result<String, ReadError> {
    let mut hash = Context::new(&SHA256);
    let mut room = vec![0; STEP];
    let mut at = 0;
    while at < inode.size {
        let count = image.content(number, inode, at, &mut room)?;
        if count == 0 {
            break;
        }
        hash.update(&room[..count]);
        at += count as u64;
    }
    Ok(hex(hash.finish().as_ref()))
}

/// Bytes as text; those that are no UTF-8, and backslashes, as `\xNN`: no two names look alike.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\x5c"));
        chunk
            .invalid()
            .iter()
            .for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}
