use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::encoding::from_b64u;

/// What a policy gives to a workload. Holds secrets; `Debug` shows names only.
pub struct Configuration {
    /// Values of holes that the policy fills.
    pub holes: BTreeMap<String, Zeroizing<String>>,
    /// Files that the policy places.
    pub files: Vec<PolicyFile>,
    /// Whom to run as, where the manifest leaves it open.
    pub user: Option<User>,
}

/// A file with its content.
pub struct PolicyFile {
    /// Absolute path inside the private root.
    pub path: String,
    /// The content; often a secret.
    pub content: Zeroizing<Vec<u8>>,
    /// Permission bits.
    pub mode: u32,
}

/// Numeric user and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    casemate_configuration: u8,
    holes: BTreeMap<String, SecretText>,
    files: Vec<FileForm>,
    user: Option<User>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    path: String,
    content: SecretText,
    mode: String,
}

/// Text that is wiped when dropped, also where parsing stops half way.
#[derive(Deserialize)]
#[serde(transparent)]
struct SecretText(String);

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Configuration {
    /// Reads an opened configuration.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let form: Form = serde_json::from_slice(bytes).map_err(|_| Error::Malformed("configuration"))?;
        if form.casemate_configuration != 1 {
            return Err(Error::Malformed("configuration of another version"));
        }
        let holes = form
            .holes
            .iter()
            .map(|(name, value)| (name.clone(), Zeroizing::new(value.0.clone())))
            .collect();
        let files = form.files.iter().map(file).collect::<Result<_, _>>()?;
        Ok(Self {
            holes,
            files,
            user: form.user,
        })
    }
}

fn file(form: &FileForm) -> Result<PolicyFile, Error> {
    let content = from_b64u(&form.content.0)
        .map(Zeroizing::new)
        .ok_or(Error::Malformed("a file's content"))?;
    let octal = form.mode.len() == 4 && form.mode.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u32::from_str_radix(&form.mode, 8)
        .ok()
        .filter(|mode| octal && *mode <= 0o777);
    Ok(PolicyFile {
        path: form.path.clone(),
        content,
        mode: mode.ok_or(Error::Malformed("a file's mode"))?,
    })
}

impl fmt::Debug for Configuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holes: Vec<&String> = self.holes.keys().collect();
        formatter
            .debug_struct("Configuration")
            .field("holes", &holes)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PolicyFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PolicyFile")
            .field("path", &self.path)
            .field("content", &"<redacted>")
            .finish_non_exhaustive()
    }
}
