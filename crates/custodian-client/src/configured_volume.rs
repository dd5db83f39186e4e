use std::fmt;
use std::time::Duration;

use casemate_wire::encoding::from_b64u;
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::configuration::SecretText;

/// Longest name of a volume.
const MAX_NAME: usize = 63;
/// Largest integer of the protocol, 2⁵³ − 1.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A sealed volume, its place and its key.
pub struct ConfiguredVolume {
    /// Where in the private root it is mounted.
    pub path: String,
    /// Its name in the policy, as anchor calls name it.
    pub name: String,
    /// Whether the workload may change it.
    pub mode: Mode,
    /// When an fsync is acknowledged.
    pub freshness: Freshness,
    /// What binds its tree.
    pub root: RootKind,
    /// The key.
    pub key: Zeroizing<[u8; 32]>,
}

/// Whether a volume may be changed.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One writer at a time.
    Write,
    /// Any number of readers.
    Read,
}

/// When an fsync is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Once the anchor is.
    Strict,
    /// After the local flush; the anchor follows within this time.
    Interval(Duration),
    /// After the local flush; integrity only.
    None,
}

/// What binds a volume's tree.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RootKind {
    /// Tags: against everybody without the key.
    Tag,
    /// Hashes: against those who have the key, too.
    Hash,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FreshnessForm {
    Strict,
    Interval,
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VolumeForm {
    path: String,
    volume: String,
    mode: Mode,
    freshness: FreshnessForm,
    root: RootKind,
    interval_ms: Option<u64>,
    key: SecretText,
}

/// The volumes of a configuration. A list of none has no spelling.
pub(crate) fn volumes(forms: Option<&[VolumeForm]>) -> Result<Vec<ConfiguredVolume>, Error> {
    if forms.is_some_and(<[_]>::is_empty) {
        return Err(Error::Malformed("a list of no volumes"));
    }
    forms.unwrap_or_default().iter().map(volume).collect()
}

fn volume(form: &VolumeForm) -> Result<ConfiguredVolume, Error> {
    if !is_volume_name(&form.volume) {
        return Err(Error::Malformed("a volume's name"));
    }
    Ok(ConfiguredVolume {
        path: form.path.clone(),
        name: form.volume.clone(),
        mode: form.mode,
        freshness: freshness(form)?,
        root: form.root,
        key: key(&form.key.0).ok_or(Error::Malformed("a volume's key"))?,
    })
}

fn freshness(form: &VolumeForm) -> Result<Freshness, Error> {
    match (form.freshness, form.interval_ms) {
        (FreshnessForm::Strict, None) => Ok(Freshness::Strict),
        (FreshnessForm::None, None) => Ok(Freshness::None),
        (FreshnessForm::Interval, Some(length)) if (1..=MAX_INTEGER).contains(&length) => {
            Ok(Freshness::Interval(Duration::from_millis(length)))
        }
        _ => Err(Error::Malformed("a volume's interval")),
    }
}

pub(crate) fn key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut decoded = Zeroizing::new(from_b64u(text)?);
    let mut key: [u8; 32] = decoded.as_slice().try_into().ok()?;
    decoded.zeroize();
    let kept = Zeroizing::new(key);
    key.zeroize();
    Some(kept)
}

/// Whether `text` can name a volume (spec/policy.md): it becomes part of a path.
pub(crate) fn is_volume_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.len() <= MAX_NAME && text.chars().all(|c| plain(c) || matches!(c, '_' | '-'))
}

impl fmt::Debug for ConfiguredVolume {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConfiguredVolume")
            .field("path", &self.path)
            .field("name", &self.name)
            .field("mode", &self.mode)
            .field("freshness", &self.freshness)
            .field("root", &self.root)
            .field("key", &"<redacted>")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Configuration;
    use casemate_wire::encoding::b64u;

    #[test]
    fn a_volume_is_read_and_shows_no_key() {
        let value = json!({"casemate_configuration": 1, "holes": {}, "files": [], "volumes": [{
            "path": "/data", "volume": "records", "mode": "read", "freshness": "interval", "interval_ms": 1500,
            "root": "tag", "key": b64u(&[7; 32])}]});
        let configuration = Configuration::parse(value.to_string().as_bytes()).unwrap();
        let volume = &configuration.volumes[0];
        assert_eq!((volume.path.as_str(), volume.name.as_str()), ("/data", "records"));
        assert_eq!((volume.mode, volume.root), (Mode::Read, RootKind::Tag));
        assert_eq!(volume.freshness, Freshness::Interval(Duration::from_millis(1500)));
        assert_eq!(*volume.key, [7; 32]);
        let shown = format!("{configuration:?}");
        assert!(shown.contains("records") && !shown.contains("7, 7"), "{shown}");
        assert!(!shown.contains(&b64u(&[7; 32])), "{shown}");
    }

    #[test]
    fn names_of_volumes_are_those_of_the_specification() {
        for good in ["a", "0", "records-2_x", &"a".repeat(63)] {
            assert!(is_volume_name(good), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a/b", "a.b", "\u{e9}", &"a".repeat(64)] {
            assert!(!is_volume_name(bad), "{bad}");
        }
    }
}
