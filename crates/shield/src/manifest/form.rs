//! The JSON shape of a manifest. Fields stand in the order of RFC 8785, so that writing a form gives canonical bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use rustix::thread::CapabilitySet;
use serde::{Deserialize, Serialize};

use super::error::{ManifestError, excerpt};
use super::{HealthCheck, Image, Manifest, Mount, RaTls, RootEntry, RootKind, Writable};
use crate::strict_json::unique_map;

/// Largest integer of I-JSON (RFC 7493 §2.2), 2⁵³ − 1.
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Largest user or group number; larger ones have special meanings in the kernel.
const MAX_ID: u32 = (1 << 31) - 1;
/// Least and most bytes of a writable: a page, a tebibyte.
const WRITABLE_SIZES: std::ops::RangeInclusive<u64> = 4096..=(1 << 40);
/// Least and most milliseconds of a health check: those of container engines at least, an hour at most.
const CHECK_TIMES: std::ops::RangeInclusive<u64> = 1..=3_600_000;
/// Least and most seconds of a certificate over evidence: a minute, a day.
const CERTIFICATE_TIMES: std::ops::RangeInclusive<u64> = 60..=86_400;
/// Longest text of a symbolic link, that of Linux.
const MAX_TARGET_BYTES: usize = 4095;

/// What kind of workload a manifest describes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Gets its configuration from a custodian.
    Workload,
    /// Is a custodian: asks nobody, has the platform channel.
    Custodian,
}

/// Whether the workload may change a folder of the host.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// It may not.
    Read,
    /// It may.
    Write,
}

/// Whether the layers of an image are encrypted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protection {
    /// They are; the release has their key.
    Encrypted,
    /// Everybody may read them, nobody can change them.
    Authenticated,
}

/// What a workload that starts as user 0 may keep of root's rights (capabilities(7)), in the order of their names.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the kernel's names")]
pub enum Capability {
    Chown,
    DacOverride,
    Fowner,
    Fsetid,
    Kill,
    NetBindService,
    Setgid,
    Setuid,
}

impl Capability {
    /// As the kernel counts it.
    #[must_use]
    pub fn set(self) -> CapabilitySet {
        match self {
            Self::Chown => CapabilitySet::CHOWN,
            Self::DacOverride => CapabilitySet::DAC_OVERRIDE,
            Self::Fowner => CapabilitySet::FOWNER,
            Self::Fsetid => CapabilitySet::FSETID,
            Self::Kill => CapabilitySet::KILL,
            Self::NetBindService => CapabilitySet::NET_BIND_SERVICE,
            Self::Setgid => CapabilitySet::SETGID,
            Self::Setuid => CapabilitySet::SETUID,
        }
    }
}

/// What a workload is sent so that it reads its certificate again.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the kernel's names")]
pub enum Reload {
    Hup,
    Usr1,
    Usr2,
}

impl Reload {
    /// As the kernel numbers it.
    #[must_use]
    pub fn signal(self) -> Signal {
        match self {
            Self::Hup => Signal::HUP,
            Self::Usr1 => Signal::USR1,
            Self::Usr2 => Signal::USR2,
        }
    }
}

/// Who fills a hole.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Filler {
    /// The release.
    Policy,
    /// The launch request.
    Host,
}

/// A value that is filled in later.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    /// Who fills it.
    #[serde(rename = "from")]
    pub filler: Filler,
    /// What the whole value must match.
    pub pattern: String,
}

/// Whose configuration a workload asks for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyBinding {
    /// `sha256:` of the policy's genesis record.
    pub genesis: String,
    /// `namespace/name`.
    pub name: String,
    /// Name of the service in it.
    pub service: String,
}

/// Numbers of a user and a group.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The group.
    pub gid: u32,
    /// The user.
    pub uid: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct MountForm {
    access: Access,
    path: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct VolumePlaceForm {
    path: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum EntryType {
    File,
    Symlink,
    Directory,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(rename = "type")]
    kind: EntryType,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HealthForm {
    command: Vec<String>,
    timeout: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RaTlsForm {
    lifetime: u64,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reload: Option<Reload>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ImageForm {
    layers: Vec<String>,
    protection: Protection,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    writable: Option<u64>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WritableForm {
    mode: String,
    path: String,
    size: u64,
}

/// A manifest as JSON spells it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    arguments: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<Capability>,
    casemate_manifest: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custodian: Option<String>,
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "unique_map")]
    environment: BTreeMap<String, String>,
    files: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health: Option<HealthForm>,
    #[serde(deserialize_with = "unique_map")]
    holes: BTreeMap<String, Hole>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<ImageForm>,
    mounts: Vec<MountForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyBinding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ra_tls: Option<RaTlsForm>,
    role: Role,
    root: Vec<EntryForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<User>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<VolumePlaceForm>,
    working_directory: String,
    writable: Vec<WritableForm>,
}

impl Form {
    /// Reads every field; rules that concern several of them are for [`super::rules::check`].
    pub(super) fn into_manifest(self, digest: [u8; 32]) -> Result<Manifest, ManifestError> {
        if self.casemate_manifest != 1 {
            return Err(value(
                "casemate_manifest",
                &self.casemate_manifest.to_string(),
                "1, the only format known",
            ));
        }
        let policy = self
            .policy
            .map(|p| digest_of("policy.genesis", &p.genesis).map(|d| (p, d)))
            .transpose()?;
        Ok(Manifest {
            digest,
            role: self.role,
            custodian: self.custodian.map(|c| digest_of("custodian", &c)).transpose()?,
            policy,
            root: self
                .root
                .into_iter()
                .map(EntryForm::into_entry)
                .collect::<Result<_, _>>()?,
            image: self.image.map(ImageForm::into_image).transpose()?,
            writable: self
                .writable
                .into_iter()
                .map(WritableForm::into_writable)
                .collect::<Result<_, _>>()?,
            mounts: self
                .mounts
                .into_iter()
                .map(|m| Mount {
                    path: m.path,
                    access: m.access,
                })
                .collect(),
            volumes: self.volumes.into_iter().map(|v| v.path).collect(),
            files: self.files,
            health: self.health.map(HealthForm::into_check).transpose()?,
            ra_tls: self.ra_tls.map(RaTlsForm::into_certificate).transpose()?,
            entrypoint: self.entrypoint,
            arguments: self.arguments,
            environment: self.environment,
            holes: self.holes,
            user: self.user.map(in_range).transpose()?,
            capabilities: self.capabilities,
            working_directory: self.working_directory,
        })
    }
}

impl EntryForm {
    fn into_entry(self) -> Result<RootEntry, ManifestError> {
        let kind = match (self.kind, self.digest, self.size, self.mode, self.target) {
            (EntryType::File, Some(digest), Some(size), Some(mode), None) => file(&digest, size, &mode)?,
            (EntryType::Symlink, None, None, None, Some(target)) => link(target)?,
            (EntryType::Directory, None, None, Some(mode), None) => RootKind::Directory {
                mode: mode_of(&mode, b'0')?,
            },
            _ => {
                return Err(value(
                    "root",
                    &self.path,
                    "an entry with exactly the fields of its type",
                ));
            }
        };
        Ok(RootEntry { path: self.path, kind })
    }
}

fn file(digest: &str, size: u64, mode: &str) -> Result<RootKind, ManifestError> {
    if size > MAX_INTEGER {
        return Err(value("root.size", &size.to_string(), "at most 2^53 - 1"));
    }
    Ok(RootKind::File {
        digest: digest_of("root.digest", digest)?,
        size,
        mode: mode_of(mode, b'0')?,
    })
}

fn link(target: String) -> Result<RootKind, ManifestError> {
    if target.is_empty() || target.len() > MAX_TARGET_BYTES || target.contains('\0') {
        return Err(value("root.target", &target, "1 to 4,095 bytes without NUL"));
    }
    Ok(RootKind::Symlink { target })
}

impl HealthForm {
    fn into_check(self) -> Result<HealthCheck, ManifestError> {
        if !CHECK_TIMES.contains(&self.timeout) {
            let got = self.timeout.to_string();
            return Err(value("health.timeout", &got, "between 1 and 3,600,000 milliseconds"));
        }
        Ok(HealthCheck {
            command: self.command,
            timeout: Duration::from_millis(self.timeout),
        })
    }
}

impl RaTlsForm {
    fn into_certificate(self) -> Result<RaTls, ManifestError> {
        if !CERTIFICATE_TIMES.contains(&self.lifetime) {
            let got = self.lifetime.to_string();
            return Err(value("ra_tls.lifetime", &got, "between 60 and 86,400 seconds"));
        }
        Ok(RaTls {
            path: self.path,
            lifetime: Duration::from_secs(self.lifetime),
            reload: self.reload,
        })
    }
}

impl ImageForm {
    fn into_image(self) -> Result<Image, ManifestError> {
        let layers = self.layers.iter().map(|layer| digest_of("image.layers", layer));
        Ok(Image {
            layers: layers.collect::<Result<_, _>>()?,
            protection: self.protection,
            writable: self.writable.map(|size| size_of("image.writable", size)).transpose()?,
        })
    }
}

impl WritableForm {
    fn into_writable(self) -> Result<Writable, ManifestError> {
        Ok(Writable {
            path: self.path,
            mode: mode_of(&self.mode, b'1')?,
            size: size_of("writable.size", self.size)?,
        })
    }
}

fn size_of(field: &'static str, size: u64) -> Result<u64, ManifestError> {
    if !WRITABLE_SIZES.contains(&size) {
        return Err(value(field, &size.to_string(), "between 4,096 and 2^40"));
    }
    Ok(size)
}

/// Four octal digits, of which the first is at most `first`: no set-id bits, the sticky bit where it makes sense.
fn mode_of(text: &str, first: u8) -> Result<u32, ManifestError> {
    let digits = text.as_bytes();
    let octal = digits.len() == 4 && digits.iter().all(|d| (b'0'..=b'7').contains(d)) && digits[0] <= first;
    let number = u32::from_str_radix(text, 8).ok().filter(|_| octal);
    number.ok_or_else(|| value("mode", text, "four octal digits without set-id bits"))
}

fn in_range(user: User) -> Result<User, ManifestError> {
    if user.uid > MAX_ID || user.gid > MAX_ID {
        return Err(value(
            "user",
            &format!("{}:{}", user.uid, user.gid),
            "numbers of at most 2^31 - 1",
        ));
    }
    Ok(user)
}

/// The 32 bytes of `sha256:` and 64 lower-case hexadecimal digits.
fn digest_of(field: &'static str, text: &str) -> Result<[u8; 32], ManifestError> {
    crate::digests::parse(text).ok_or_else(|| value(field, text, "sha256: and 64 lower-case hexadecimal digits"))
}

fn value(field: &'static str, got: &str, expected: &'static str) -> ManifestError {
    ManifestError::Value {
        field,
        got: excerpt(got),
        expected,
    }
}
