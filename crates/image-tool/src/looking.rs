//! What is at a path of an image, as a process in it would find it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casemate_erofs::{ReadError, kind};
use casemate_image::merged::{Merged, Node, Number};
use serde_json::{Value, json};

use crate::report::Failure;

/// Links on the way, as many as Linux follows (path_resolution(7)).
const LINKS: usize = 40;
/// Names on the way, links written out.
const NAMES: usize = 65_536;
/// Bytes of a file that are said.
const MOST: u64 = 1 << 20;

/// Says what is at each path; null where there is nothing.
pub fn look(image: &Merged, paths: &[String]) -> Result<Value, Failure> {
    let found: Vec<Value> = paths.iter().map(|path| say(image, path)).collect::<Result<_, _>>()?;
    Ok(json!({"found": found}))
}

fn say(image: &Merged, path: &str) -> Result<Value, Failure> {
    let node = match follow(image, path.as_bytes()) {
        Ok(node) => node,
        Err(ReadError::NotFound) => return Ok(Value::Null),
        Err(error) => return Err(error.into()),
    };
    let inode = &node.inode;
    let mut said = json!({
        "mode": inode.mode,
        "uid": inode.uid,
        "gid": inode.gid,
    });
    match inode.mode & kind::MASK {
        kind::FILE if inode.size <= MOST => said["content"] = URL_SAFE_NO_PAD.encode(content(image, &node)?).into(),
        kind::DIRECTORY => said["entries"] = image.entries(node.number)?.len().into(),
        _ => {}
    }
    Ok(said)
}

/// Walks along a path from the root, links too; nothing leads out of the image.
fn follow(image: &Merged, path: &[u8]) -> Result<Node, ReadError> {
    let root = Node {
        number: Number::ROOT,
        inode: image.inode(Number::ROOT)?,
    };
    let mut above = vec![root];
    let mut waiting = names(path);
    let (mut links, mut walked) = (0, 0);
    while let Some(name) = waiting.pop() {
        walked += 1;
        let here = *above.last().unwrap_or(&root);
        if here.inode.mode & kind::MASK != kind::DIRECTORY || walked > NAMES {
            return Err(ReadError::NotFound);
        }
        if name == b".." {
            above.truncate(above.len().saturating_sub(1).max(1));
            continue;
        }
        let node = image.lookup(here.number, &name)?;
        if node.inode.mode & kind::MASK != kind::LINK {
            above.push(node);
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(ReadError::NotFound);
        }
        let target = image.target(node.number)?;
        if target.starts_with(b"/") {
            above.truncate(1);
        }
        waiting.extend(names(&target));
    }
    Ok(*above.last().unwrap_or(&root))
}

/// The names of a path, the first one last.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').rev();
    names
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

fn content(image: &Merged, node: &Node) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0; usize::try_from(node.inode.size).unwrap_or(0)];
    let mut at = 0;
    while at < bytes.len() {
        let count = image.content(node.number, &node.inode, at as u64, &mut bytes[at..])?;
        if count == 0 {
            break;
        }
        at += count;
    }
    bytes.truncate(at);
    Ok(bytes)
}
