//! A cache of endorsements: a folder that `casemate endorsements fetch|import` fills, and that is only read here
//! (spec/evidence.md, "Endorsements from a cache").
//!
//! Nothing in it is secret and nothing in it is believed: verifiers judge what comes out as they judge what came with the
//! evidence, so a host that changes the folder can make evidence fail, and no more. That it serves an old one is noticed
//! by floors (`AttestedPeer::floors`).
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use casemate_ra_tls::{Completing, Endorsements, Evidence, MAX_ENTRY_BYTES, completed};
use rustix::fs::{Mode, OFlags, open};

const VENDORS: [&str; 2] = ["amd", "intel"];
const ENDINGS: [&str; 3] = [".der", ".pem", ".json"];
/// Folders below the vendor's.
const MAX_FOLDERS: usize = 4;
const LONGEST_WORD: usize = 161;

/// What is in a folder now, looked at each time: who writes into it puts whole files into the place of others.
///
/// Some files are read within each handshake that is verified, which waits for them: a folder of this machine.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The one in this folder. Where there is none, nothing is in it.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The entry as it lies there; None where there is none, one that no reader takes, or where no entry has such a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        if !is_name(name) {
            return None;
        }
        // Non-blocking, and no links: on a host's disk anything may be in its place.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(open(self.folder.join(name), flags, Mode::empty()).ok()?);
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let most = u64::try_from(MAX_ENTRY_BYTES).ok()?;
        let mut data = Vec::new();
        file.take(most + 1).read_to_end(&mut data).ok()?;
        (data.len() <= MAX_ENTRY_BYTES).then_some(data)
    }
}

impl Completing for Cache {
    fn completed(&self, evidence: &Evidence, came: &Endorsements) -> Endorsements {
        completed(evidence, came, |name| self.get(name))
    }
}

/// `amd/milan/crl.der`: words below the folder of a vendor, so that a name stays in the folder.
fn is_name(name: &str) -> bool {
    let Some(stem) = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)) else {
        return false;
    };
    let mut words = stem.split('/');
    let vendor = words.next().is_some_and(|vendor| VENDORS.contains(&vendor));
    let words: Vec<_> = words.collect();
    vendor && (1..=MAX_FOLDERS + 1).contains(&words.len()) && words.into_iter().all(is_word)
}

fn is_word(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    word.len() <= LONGEST_WORD
        && word.bytes().next().is_some_and(plain)
        && word.bytes().all(|byte| plain(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        let long = "a".repeat(LONGEST_WORD);
        for name in [
            "amd/milan/crl.der".to_owned(),
            "intel/tdx-tcb/00806f050000.json".to_owned(),
            "amd/a/b/c/d/e.pem".to_owned(),
            format!("amd/{long}.der"),
        ] {
            assert!(is_name(&name), "{name}");
        }
        for name in [
            "",
            "amd",
            "amd.der",
            "amd/x",
            "/amd/x.der",
            "amd//x.der",
            "amd/./x.der",
            "amd/../x.der",
            "../amd/x.der",
            "ibm/x.der",
            "amd/X.der",
            "amd/x.der\n",
            "amd/x.der.der",
            "amd/-x.der",
            "amd/.der",
            "amd/a/b/c/d/e/f.pem",
            "amd/\u{e4}.der",
            &format!("amd/{long}a.der"),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
