//! Whatever a host puts in the place of a cache's files is passed by.
#![allow(clippy::unwrap_used, reason = "tests")]

mod given;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use casemate_endorsements::Cache;
use casemate_ra_tls::{Completing, Endorsements, Evidence, Format, MAX_ENTRY_BYTES};

use given::{cache_with, hex, vectors};

const LIST: &str = "amd/milan/crl.der";
const PATIENCE: Duration = Duration::from_secs(20);

/// Evidence of a chip, and what a cache has for it.
fn chip() -> (Evidence, Vec<(String, Vec<u8>)>) {
    let file = vectors("completed.json");
    let part = |place: &serde_json::Value| {
        let place = usize::try_from(place.as_u64().unwrap()).unwrap();
        hex(file["parts"][place].as_str().unwrap())
    };
    let case = &file["cases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["name"] == "Milan VCEK version 5, nothing came")
        .unwrap();
    let evidence = Evidence {
        format: Format::SevSnp,
        report: part(&case["evidence"]["report"]),
        log: None,
    };
    let entries = case["cache"].as_object().unwrap().iter();
    (
        evidence,
        entries.map(|(name, place)| (name.clone(), part(place))).collect(),
    )
}

/// In a folder that has everything, something else in the list's place.
fn completed_with(instead: impl Fn(&Path, &[u8])) -> Endorsements {
    let (evidence, entries) = chip();
    let (folder, cache) = cache_with(entries.iter().map(|(name, data)| (name.as_str(), data.clone())));
    let came = Endorsements::default();
    let whole = cache.completed(&evidence, &came);
    assert_eq!(whole.crls.len(), 1);
    let path = folder.path().join(LIST);
    fs::remove_file(&path).unwrap();
    instead(&path, &whole.crls[0]);
    let completed = cache.completed(&evidence, &came);
    // What else there is counts all the same.
    assert_eq!(completed.certificates, whole.certificates);
    completed
}

#[test]
fn no_link_is_followed() {
    let completed = completed_with(|path, list| {
        let elsewhere = path.with_extension("elsewhere");
        fs::write(&elsewhere, list).unwrap();
        symlink(elsewhere, path).unwrap();
    });
    assert!(completed.crls.is_empty());
}

#[test]
fn a_pipe_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LIST);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let cache = Cache::new(folder.path());
    let (told, answer) = mpsc::channel();
    let reader = cache.clone();
    thread::spawn(move || told.send(reader.get(LIST)));
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(None));
    // Nor one that somebody holds open who has not written yet, or who has.
    let mut writer = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    assert_eq!(cache.get(LIST), None);
    writer.write_all(b"anything").unwrap();
    assert_eq!(cache.get(LIST), None);
}

#[test]
fn a_folder_is_no_file_and_holds_no_descriptor() {
    assert!(completed_with(|path, _| fs::create_dir(path).unwrap()).crls.is_empty());
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join(LIST)).unwrap();
    let cache = Cache::new(folder.path());
    let most = 100_000;
    for _ in 0..most {
        assert_eq!(cache.get(LIST), None);
    }
}

#[test]
fn nothing_larger_than_an_entry_is_read() {
    let grown = |path: &Path, list: &[u8], length: usize| {
        fs::write(path, list).unwrap();
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(u64::try_from(length).unwrap()).unwrap();
    };
    // A file with a hole has any size at no cost.
    for length in [MAX_ENTRY_BYTES + 1, 1 << 40] {
        assert!(completed_with(|path, list| grown(path, list, length)).crls.is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(LIST);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let cache = Cache::new(folder.path());
    for (length, found) in [(MAX_ENTRY_BYTES, Some(MAX_ENTRY_BYTES)), (MAX_ENTRY_BYTES + 1, None)] {
        grown(&path, b"", length);
        assert_eq!(cache.get(LIST).map(|data| data.len()), found);
    }
}

#[test]
fn noise_is_passed_by() {
    for noise in [&b""[..], b"noise", b"-----BEGIN X509 CRL-----"] {
        assert!(
            completed_with(|path, _| fs::write(path, noise).unwrap())
                .crls
                .is_empty()
        );
    }
    // As is a list with something behind it.
    let longer = |path: &Path, list: &[u8]| fs::write(path, [list, b"\0"].concat()).unwrap();
    assert!(completed_with(longer).crls.is_empty());
}

#[test]
fn a_folder_that_is_not_there_has_nothing() {
    let (evidence, _) = chip();
    let came = Endorsements {
        certificates: b"anything".to_vec(),
        ..Endorsements::default()
    };
    let cache = Cache::new("/nowhere/at/all");
    assert_eq!(cache.completed(&evidence, &came), came);
}

#[test]
fn what_is_no_name_is_not_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cache");
    fs::create_dir_all(inner.join("amd/milan")).unwrap();
    fs::write(folder.path().join("x.der"), b"x").unwrap();
    fs::write(inner.join("amd/x.txt"), b"x").unwrap();
    fs::write(inner.join("amd/x.der"), b"x").unwrap();
    let cache = Cache::new(&inner);
    assert_eq!(cache.get("amd/x.der"), Some(b"x".to_vec()));
    for name in [
        "amd/../../x.der",
        "amd/milan/../x.der",
        "amd/x.txt",
        "amd/./x.der",
        "../x.der",
    ] {
        assert_eq!(cache.get(name), None, "{name}");
    }
}
