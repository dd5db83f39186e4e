//! SEV-SNP and TDX through the kernel's common interface, Linux 6.7 and newer: an entry in configfs takes report data and
//! gives a report (Documentation/ABI/testing/configfs-tsm).

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use zeroize::Zeroizing;

use crate::{Binding, Error, Evidence, Format, Platform, host_data, log_at, mr_config_id};

/// Where entries are made.
pub const FOLDER: &str = "/sys/kernel/config/tsm/report";
/// Where a TDX guest's event log is (ACPI table CCEL).
const LOG: &str = "/sys/firmware/acpi/tables/data/CCEL";
/// Most bytes of one attribute: the kernel's TSM_OUTBLOB_MAX with room to spare.
const MAX_ATTRIBUTE: u64 = 64 * 1024;
/// How often a report is asked for while somebody else writes to our entry, or the host has no time.
const TRIES: u32 = 8;
/// Numbers entries of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Whose reports an interface gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// `sev_guest`.
    SevSnp,
    /// `tdx_guest`.
    Tdx,
}

/// The interface of this machine.
#[derive(Debug)]
pub struct TsmPlatform {
    folder: PathBuf,
    provider: Provider,
    make: fn(&Path) -> std::io::Result<()>,
    remove: fn(&Path) -> std::io::Result<()>,
}

impl TsmPlatform {
    /// The interface at `folder`.
    ///
    /// # Errors
    /// [`Error::Device`] where there is none, or it does not let this process in; [`Error::Missing`] for another provider.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::over(folder, |path| fs::create_dir(path), |path| fs::remove_dir(path))
    }

    fn over(
        folder: &Path,
        make: fn(&Path) -> std::io::Result<()>,
        remove: fn(&Path) -> std::io::Result<()>,
    ) -> Result<Self, Error> {
        let mut opened = Self {
            folder: folder.to_owned(),
            provider: Provider::SevSnp,
            make,
            remove,
        };
        opened.provider = opened.entry()?.provider()?;
        Ok(opened)
    }

    /// Whose reports it gives.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.provider
    }

    fn entry(&self) -> Result<Entry, Error> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("casemate-{}-{number}", process::id()));
        (self.make)(&path).map_err(Error::at(&path))?;
        Ok(Entry {
            path,
            remove: self.remove,
        })
    }
}

impl Platform for TsmPlatform {
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error> {
        for _ in 0..TRIES {
            let entry = self.entry()?;
            if entry.provider()? != self.provider {
                return Err(Error::Malformed("another provider than before"));
            }
            let Some(Given { report, auxiliary }) = entry.report(report_data)? else {
                continue;
            };
            return Ok(match self.provider {
                Provider::SevSnp => Evidence {
                    certificates: auxiliary,
                    ..Evidence::of(Format::SevSnp, report)
                },
                Provider::Tdx => Evidence {
                    log: log_at(Path::new(LOG)),
                    ..Evidence::of(Format::Tdx, report)
                },
            });
        }
        Err(Error::Disturbed("somebody writes to our entries of configfs-tsm"))
    }

    fn binding(&self, evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
        match self.provider {
            Provider::SevSnp => host_data(evidence, manifest),
            Provider::Tdx => mr_config_id(evidence, manifest),
        }
    }

    fn derive_key(&mut self, _context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        Err(Error::Missing("sealing keys that we ask it for yet"))
    }
}

/// `outblob` and `auxblob`.
#[derive(Debug)]
struct Given {
    report: Vec<u8>,
    auxiliary: Vec<u8>,
}

/// One request. The folder goes when this is dropped.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    remove: fn(&Path) -> std::io::Result<()>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        // One that stays is a folder that nobody uses; there is nobody to tell.
        let _ = (self.remove)(&self.path);
    }
}

impl Entry {
    fn provider(&self) -> Result<Provider, Error> {
        match self.attribute("provider")?.trim_ascii_end() {
            b"sev_guest" => Ok(Provider::SevSnp),
            b"tdx_guest" => Ok(Provider::Tdx),
            _ => Err(Error::Missing(
                "provider of reports that we know: sev_guest or tdx_guest",
            )),
        }
    }

    /// Report and what belongs to it; `None` where it must be asked for again.
    fn report(&self, report_data: &[u8; 64]) -> Result<Option<Given>, Error> {
        let before = self.generation()?;
        let inblob = self.path.join("inblob");
        fs::write(&inblob, report_data).map_err(Error::at(&inblob))?;
        let report = match self.read("outblob") {
            // The host has no time, or somebody wrote meanwhile.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ResourceBusy) => return Ok(None),
            report => report.map_err(Error::at(&self.path.join("outblob")))?,
        };
        let auxiliary = match self.read("auxblob") {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            auxiliary => auxiliary.map_err(Error::at(&self.path.join("auxblob")))?,
        };
        // Each write counts; between ours and now there must have been none.
        Ok((self.generation()? == before.wrapping_add(1)).then_some(Given { report, auxiliary }))
    }

    fn generation(&self) -> Result<u64, Error> {
        let text = self.attribute("generation")?;
        let number = std::str::from_utf8(text.trim_ascii_end())
            .ok()
            .and_then(|text| text.parse().ok());
        number.ok_or(Error::Malformed("a generation that is no number"))
    }

    fn attribute(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.read(name).map_err(Error::at(&self.path.join(name)))
    }

    fn read(&self, name: &str) -> std::io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let file = fs::File::open(self.path.join(name))?;
        file.take(MAX_ATTRIBUTE + 1).read_to_end(&mut content)?;
        if content.len() as u64 > MAX_ATTRIBUTE {
            return Err(std::io::Error::other("more than an attribute may have"));
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests;
