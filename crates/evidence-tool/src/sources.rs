//! Where evidence can come from, in the order in which it is looked for.

use std::path::{Path, PathBuf};

use casemate_evidence::nsm::NitroPlatform;
use casemate_evidence::sev_guest::SevGuest;
use casemate_evidence::tpm::{Key, TpmPlatform};
use casemate_evidence::tsm::{Provider, TsmPlatform};
use casemate_evidence::{Error, Platform as Asked, SimulatedPlatform, nsm, sev_guest, tpm, tsm};
use casemate_request::Refusal;
use casemate_sys::take_descriptor;

use crate::failure::Failure;
use crate::request::{Collect, Platform};

/// Number of the descriptor that leads to the simulated platform (spec/evidence.md).
const SIMULATED: i32 = 3;
/// What Linux says where configfs-tsm is there and no platform behind it.
const ENXIO: i32 = 6;

/// Where the kernel offers platforms.
#[derive(Clone, Debug)]
pub struct Places {
    pub tsm: PathBuf,
    pub sev_guest: PathBuf,
    pub nsm: PathBuf,
    pub tpm: PathBuf,
}

impl Places {
    /// Where Linux has them.
    pub fn of_linux() -> Self {
        Self {
            tsm: tsm::FOLDER.into(),
            sev_guest: sev_guest::DEVICE.into(),
            nsm: nsm::DEVICE.into(),
            tpm: tpm::DEVICE.into(),
        }
    }

    /// Those that are looked at for a request, in this order, with what they are of.
    pub fn of<'a>(&'a self, asked: &'a Collect) -> Vec<(&'a Path, &'static str)> {
        let tpm = asked.tpm.as_ref().unwrap_or(&self.tpm);
        let all: [(&Path, &str, &[Platform]); 4] = [
            (&self.tsm, "sev-snp, tdx", &[Platform::SevSnp, Platform::Tdx]),
            (&self.sev_guest, "sev-snp", &[Platform::SevSnp]),
            (&self.nsm, "nitro", &[Platform::Nitro]),
            (tpm, "tpm", &[Platform::Tpm]),
        ];
        let wanted = |platforms: &[Platform]| asked.platform.is_none_or(|platform| platforms.contains(&platform));
        let found = all.into_iter().filter(|(.., platforms)| wanted(platforms));
        found.map(|(path, what, _)| (path, what)).collect()
    }
}

/// One that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub platform: Platform,
    pub path: PathBuf,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tsm,
    SevGuest,
    Nsm,
    Tpm,
    Simulated,
}

impl Source {
    /// Those that are there of what a request names, the first of which is asked. What is simulated is never among them
    /// unless it is named.
    pub fn named(asked: &Collect, places: &Places) -> Vec<Self> {
        let source = |platform, kind, path: &Path| Self {
            platform,
            path: path.to_owned(),
            kind,
        };
        if asked.platform == Some(Platform::Simulated) {
            return vec![source(Platform::Simulated, Kind::Simulated, Path::new("descriptor 3"))];
        }
        let mut found = Vec::new();
        for (path, _) in places.of(asked) {
            if !path.exists() {
                continue;
            }
            if path == places.tsm {
                found.extend(of_tsm(path, asked).map(|platform| source(platform, Kind::Tsm, path)));
            } else if path == places.sev_guest {
                found.push(source(Platform::SevSnp, Kind::SevGuest, path));
            } else if path == places.nsm {
                found.push(source(Platform::Nitro, Kind::Nsm, path));
            } else {
                found.push(source(Platform::Tpm, Kind::Tpm, path));
            }
        }
        found.retain(|source| asked.platform.is_none_or(|platform| platform == source.platform));
        found
    }

    /// Opens it.
    pub fn open(&self, key: Key) -> Result<Box<dyn Asked>, Failure> {
        let opened: Result<Box<dyn Asked>, Error> = match self.kind {
            Kind::Tsm => TsmPlatform::open(&self.path).map(|opened| Box::new(opened) as _),
            Kind::SevGuest => SevGuest::open(&self.path).map(|opened| Box::new(opened) as _),
            Kind::Nsm => NitroPlatform::open(&self.path).map(|opened| Box::new(opened) as _),
            Kind::Tpm => TpmPlatform::open(&self.path, key).map(|opened| Box::new(self.in_full(opened)) as _),
            Kind::Simulated => {
                let socket = take_descriptor(SIMULATED).map_err(|error| {
                    Failure::new(
                        "absent",
                        format!("the simulated platform's agent did not start this: {error}"),
                    )
                })?;
                Ok(Box::new(SimulatedPlatform::from_fd(socket)))
            }
        };
        opened.map_err(|error| self.failed(&error))
    }

    /// With all that goes with a quote. The log is that of the kernel's first TPM.
    fn in_full(&self, opened: TpmPlatform) -> TpmPlatform {
        let opened = opened.with_certificate();
        let is_first = [tpm::DEVICE, "/dev/tpm0"]
            .iter()
            .any(|device| self.path == Path::new(device));
        if is_first { opened.with_log() } else { opened }
    }

    /// It is there, and gives nothing.
    pub fn failed(&self, error: &Error) -> Failure {
        let said = error.to_string().replace(char::is_control, " ");
        Failure::new(
            "platform",
            format!("{} by {}: {said}", self.platform.name(), self.path.display()),
        )
    }
}

/// The platform behind configfs-tsm; `None` where there is none. One that does not let us in counts: what is found is
/// asked, and says why it gives nothing.
fn of_tsm(path: &Path, asked: &Collect) -> Option<Platform> {
    match TsmPlatform::open(path) {
        Ok(opened) => Some(match opened.provider() {
            Provider::SevSnp => Platform::SevSnp,
            Provider::Tdx => Platform::Tdx,
        }),
        Err(Error::Device { error, .. }) if error.raw_os_error() == Some(ENXIO) => None,
        Err(_) => Some(asked.platform.unwrap_or(Platform::SevSnp)),
    }
}
