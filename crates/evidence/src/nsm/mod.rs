//! AWS Nitro Enclaves: the Nitro Security Module, /dev/nsm (linux/nsm.h). It is asked in CBOR.
//!
//! The manifest is bound to PCR16, the first that belongs to whoever runs in the enclave; it is locked then.

mod cbor;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha384};
use zeroize::Zeroizing;

use crate::{Binding, Error, Evidence, Format, Platform};
use cbor::{Item, item, map, request, text};

/// The driver's device.
pub const DEVICE: &str = "/dev/nsm";
/// The register that the manifest is bound to.
pub const MANIFEST_PCR: u16 = 16;
const ZERO: [u8; 48] = [0; 48];

/// What takes a request in CBOR and gives the answer.
pub trait Module: fmt::Debug + Send {
    /// Sends `request` and waits for the answer: its bytes, whatever they are.
    ///
    /// # Errors
    /// Where nothing answers.
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Error>;
}

#[derive(Debug)]
struct Device {
    file: File,
    path: PathBuf,
}

impl Module for Device {
    fn exchange(&mut self, request: &[u8]) -> Result<Vec<u8>, Error> {
        casemate_sys::nsm_exchange(self.file.as_fd(), request).map_err(Error::at(&self.path))
    }
}

/// An enclave's security module.
#[derive(Debug)]
pub struct NitroPlatform {
    module: Box<dyn Module>,
    /// PCR16, as it was when the manifest was bound, locked since.
    bound: Option<[u8; 48]>,
}

impl NitroPlatform {
    /// Opens the device at `path`.
    ///
    /// # Errors
    /// [`Error::Device`] where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Ok(Self::over(Box::new(Device {
            file: file.map_err(Error::at(path))?,
            path: path.to_owned(),
        })))
    }

    /// Whatever answers requests.
    #[must_use]
    pub fn over(module: Box<dyn Module>) -> Self {
        Self { module, bound: None }
    }

    /// Binds the manifest with this digest to the enclave: extends PCR16 by it, and locks that.
    ///
    /// # Errors
    /// [`Error::Bound`] where something was extended before; those of the module.
    pub fn bind(&mut self, manifest: &[u8; 32]) -> Result<(), Error> {
        if self.register()? != (false, ZERO) {
            return Err(Error::Bound(format!(
                "PCR{MANIFEST_PCR} was extended or locked before: start another enclave"
            )));
        }
        let index = ("index", item::number(MANIFEST_PCR));
        self.ask("ExtendPCR", &[index.clone(), ("data", item::bytes(manifest))])?;
        self.ask("LockPCR", &[index])?;
        let (locked, value) = self.register()?;
        if !locked || value != manifest_pcr(manifest) {
            return Err(Error::Bound(format!(
                "PCR{MANIFEST_PCR} is not what it was extended to"
            )));
        }
        self.bound = Some(value);
        Ok(())
    }

    /// Whether PCR16 is locked, and its value.
    fn register(&mut self) -> Result<(bool, [u8; 48]), Error> {
        let described = self.ask("DescribePCR", &[("index", item::number(MANIFEST_PCR))])?;
        match (map(&described, "lock"), map(&described, "data")) {
            (Some(Item::Bool(locked)), Some(Item::Bytes(data))) => {
                let value = data.as_slice().try_into();
                Ok((*locked, value.map_err(|_| Error::Malformed("a PCR of another size"))?))
            }
            _ => Err(Error::Malformed("a description of a PCR without lock and data")),
        }
    }

    /// What the module answers to a request, under the request's own name.
    fn ask(&mut self, name: &'static str, fields: &[(&str, Vec<u8>)]) -> Result<Item, Error> {
        let answer = self.module.exchange(&request(name, fields))?;
        let answer = Item::parse(&answer).ok_or(Error::Malformed("no CBOR that is known"))?;
        if let Some(error) = map(&answer, "Error") {
            return Err(Error::Refused(format!("{name}: {}", text(error))));
        }
        match answer {
            // A request without an answer's fields is answered by its name.
            Item::Text(said) if said == name => Ok(Item::Map(Vec::new())),
            Item::Map(pairs) => {
                let found = pairs.into_iter().find(|(key, _)| key == name);
                let (_, value) = found.ok_or(Error::Malformed("an answer to another request"))?;
                Ok(value)
            }
            _ => Err(Error::Malformed("an answer to another request")),
        }
    }
}

/// What PCR16 holds in an enclave that was started for this manifest: spec/evidence.md.
#[must_use]
pub fn manifest_pcr(manifest: &[u8; 32]) -> [u8; 48] {
    Sha384::new()
        .chain_update(ZERO)
        .chain_update(manifest)
        .finalize()
        .into()
}

impl Platform for NitroPlatform {
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error> {
        let fields = [
            ("user_data", item::bytes(report_data)),
            ("nonce", item::null()),
            ("public_key", item::null()),
        ];
        let answer = self.ask("Attestation", &fields)?;
        match map(&answer, "document") {
            Some(Item::Bytes(document)) => Ok(Evidence::of(Format::Nitro, document.clone())),
            _ => Err(Error::Malformed("an attestation without a document")),
        }
    }

    /// The register was locked when it was bound: no document of this enclave has another value.
    fn binding(&self, _evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
        Ok(Binding::of(&self.bound.unwrap_or(ZERO), &manifest_pcr(manifest)))
    }

    fn derive_key(&mut self, _context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        Err(Error::Missing("sealing keys"))
    }
}

#[cfg(test)]
mod tests;
