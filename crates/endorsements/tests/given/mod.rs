//! Folders that are made for a test, and the vectors of spec/vectors/endorsements.
#![allow(dead_code, reason = "each test uses some of it")]

use std::fs;
use std::path::Path;

use casemate_endorsements::Cache;
use serde_json::Value;
use tempfile::TempDir;

pub fn vectors(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors/endorsements");
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

pub fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// A cache with these entries, for as long as the folder is kept.
pub fn cache_with<'a>(entries: impl Iterator<Item = (&'a str, Vec<u8>)>) -> (TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    for (name, data) in entries {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }
    let cache = Cache::new(folder.path());
    (folder, cache)
}
