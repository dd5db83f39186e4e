use std::collections::BTreeMap;
use std::fmt;

use casemate_wire::encoding::from_b64u;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::configured_volume::{ConfiguredVolume, VolumeForm, key, volumes};

/// What a policy gives to a workload. Holds secrets; `Debug` shows names only.
pub struct Configuration {
    /// Values of holes that the policy fills.
    pub holes: BTreeMap<String, Zeroizing<String>>,
    /// Files that the policy places.
    pub files: Vec<PolicyFile>,
    /// Sealed volumes to mount.
    pub volumes: Vec<ConfiguredVolume>,
    /// What the layers of the workload's image are sealed under.
    pub image_key: Option<Zeroizing<[u8; 32]>>,
    /// What the workload's output is sealed under; without one it is not sealed.
    pub output_key: Option<Zeroizing<[u8; 32]>>,
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
    holes: Holes,
    files: Vec<FileForm>,
    volumes: Option<Vec<VolumeForm>>,
    image_key: Option<SecretText>,
    output_key: Option<SecretText>,
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
pub(crate) struct SecretText(pub(crate) String);

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Values by name. A name that comes twice is an error, where serde would let the last one win.
#[derive(Default)]
struct Holes(BTreeMap<String, Zeroizing<String>>);

impl<'de> Deserialize<'de> for Holes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Holes::default())
    }
}

impl<'de> Visitor<'de> for Holes {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = access.next_entry::<String, SecretText>()? {
            if self.0.insert(name, Zeroizing::new(value.0.clone())).is_some() {
                return Err(serde::de::Error::custom("a hole comes twice"));
            }
        }
        Ok(self)
    }
}

/// Larger numbers have special meanings in the kernel: -1 stands for "as it is", which would be root.
const MAX_ID: u32 = (1 << 31) - 1;

impl Configuration {
    /// Reads an opened configuration.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let form: Form = serde_json::from_slice(bytes).map_err(|_| Error::Malformed("configuration"))?;
        if form.casemate_configuration != 1 {
            return Err(Error::Malformed("configuration of another version"));
        }
        if form.user.is_some_and(|user| user.uid > MAX_ID || user.gid > MAX_ID) {
            return Err(Error::Malformed("a user or group beyond 2^31 - 1"));
        }
        let files = form.files.iter().map(file).collect::<Result<_, _>>()?;
        let volumes = volumes(form.volumes.as_deref())?;
        let read = |text: &SecretText| key(&text.0).ok_or(Error::Malformed("a key"));
        let image_key = form.image_key.as_ref().map(read).transpose()?;
        let output_key = form.output_key.as_ref().map(read).transpose()?;
        Ok(Self {
            holes: form.holes.0,
            files,
            volumes,
            image_key,
            output_key,
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
            .field("volumes", &self.volumes)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        json!({"casemate_configuration": 1, "holes": {"token": "hunter2"}, "user": {"uid": 7, "gid": 8},
               "image_key": "aHVudGVyNGh1bnRlcjRodW50ZXI0aHVudGVyNCEhISE",
               "output_key": "aHVudGVyNWh1bnRlcjVodW50ZXI1aHVudGVyNSEhISE",
               "files": [{"path": "/run/key", "content": "aHVudGVyMw", "mode": "0400"}]})
    }

    #[test]
    fn a_configuration_is_read_and_shows_no_secret() {
        let configuration = Configuration::parse(good().to_string().as_bytes()).unwrap();
        assert_eq!(configuration.holes["token"].as_str(), "hunter2");
        assert_eq!(configuration.user, Some(User { uid: 7, gid: 8 }));
        let file = &configuration.files[0];
        assert_eq!(
            (file.path.as_str(), file.mode, file.content.as_slice()),
            ("/run/key", 0o400, &b"hunter3"[..])
        );
        let key = configuration.image_key.as_ref().unwrap();
        assert_eq!(**key, *b"hunter4hunter4hunter4hunter4!!!!");
        let output_key = configuration.output_key.as_ref().unwrap();
        assert_eq!(**output_key, *b"hunter5hunter5hunter5hunter5!!!!");
        let shown = format!("{configuration:?}");
        assert!(shown.contains("token") && !shown.contains("hunter"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", b"hunter3")), "{shown}");
        assert!(!shown.contains(&format!("{:?}", **key)), "{shown}");
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let changes: [(&str, Value); 17] = [
            ("/casemate_configuration", json!(2)),
            ("/more", json!(1)),
            ("/holes/token", json!(1)),
            ("/holes", json!([])),
            ("/files/0/more", json!(1)),
            ("/files/0/content", json!("a b")),
            ("/files/0/content", json!("aHVudGVyMw==")),
            ("/files/0/mode", json!("400")),
            ("/files/0/mode", json!("4755")),
            ("/files/0/mode", json!("0999")),
            ("/files/0/mode", json!("+777")),
            ("/image_key", json!("aHVudGVyNA")),
            ("/output_key", json!("aHVudGVyNQ")),
            ("/user/uid", json!(-1)),
            ("/user/uid", json!(u32::MAX)),
            ("/user/gid", json!(1_u32 << 31)),
            ("/user/name", json!("root")),
        ];
        for (pointer, value) in changes {
            let mut changed = good();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[name] = value;
            let parsed = Configuration::parse(changed.to_string().as_bytes());
            assert!(matches!(parsed, Err(Error::Malformed(_))), "{pointer}");
        }
    }

    #[test]
    fn names_that_come_twice_are_refused() {
        let text = good().to_string();
        for (one, two) in [
            (r#""token":"#, r#""token":"x","token":"#),
            (r#""files":"#, r#""files":[],"files":"#),
            (r#""uid":"#, r#""uid":0,"uid":"#),
        ] {
            let doubled = text.replacen(one, two, 1);
            assert_ne!(doubled, text);
            assert!(Configuration::parse(doubled.as_bytes()).is_err(), "{doubled}");
        }
    }
}
