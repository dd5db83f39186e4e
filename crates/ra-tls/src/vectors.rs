//! Where tests inside the crate find what they read: the vectors of spec/vectors, and evidence of real machines.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of spec/vectors.
pub fn ours(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors")
        .join(name)
}

/// A folder of real evidence. None where there is none: whoever has one elsewhere names it in CASEMATE_VECTORS.
pub fn real(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let folder = std::env::var_os("CASEMATE_VECTORS")
        .map_or(beside, PathBuf::from)
        .join(name);
    if !folder.is_dir() {
        eprintln!("skipped: no folder with real evidence; name it in CASEMATE_VECTORS");
        return None;
    }
    Some(folder)
}

pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&read(path)).unwrap()
}

pub fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
