use std::fs;
use std::path::{Path, PathBuf};

/// What a fuzz target begins with.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The target, as its folder is called.
    pub target: String,
    /// The file, as its name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// All seeds of the crate in `folder` (`env!("CARGO_MANIFEST_DIR")`).
///
/// # Panics
/// Where there are none.
#[must_use]
pub fn seeds(folder: &str) -> Vec<Seed> {
    let mut found = Vec::new();
    for target in inside(&Path::new(folder).join("fuzz/seeds")) {
        for file in inside(&target) {
            found.push(Seed {
                target: named(&target),
                name: named(&file),
                bytes: fs::read(&file).expect("a file"),
            });
        }
    }
    assert!(!found.is_empty(), "no seeds in {folder}");
    found
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

fn named(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}
