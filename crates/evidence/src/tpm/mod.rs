//! A TPM 2.0 (TCG TPM 2.0 Library): quotes over its registers, and the manifest bound to one of them.
//!
//! A TPM says what was extended into its registers since the machine started, and nothing of who can look into the
//! machine's memory. PCR 11 is the runtime's: whoever boots the machine extends it, never the shield. PCR 15 is the
//! manifest's: [`TpmPlatform::bind`] extends and caps it, once between two starts of the machine.

mod commands;
mod connection;
mod key;
mod quoted;
mod wire;

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{Binding, Error, Evidence, Format, Platform, log_at};
use commands::{SHA256, selection};
pub use connection::Transport;
use connection::{Connection, open};
pub use key::Key;
use key::Loaded;
use wire::Writer;

/// Where the kernel offers the TPM with a manager of its resources.
pub const DEVICE: &str = "/dev/tpmrm0";
/// Where the log of what firmware and loader extended is.
const LOG: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";
/// The register that the manifest is bound to.
pub const MANIFEST_PCR: u32 = 15;
/// Registers that are quoted: 0 to this, less one. Those behind it can be reset.
const QUOTED: u32 = 16;
/// Most PCRs in one answer (the room of TPML_DIGEST).
const AT_ONCE: u32 = 8;
/// What is extended after the manifest, so that the register is not as another manifest's start would leave it.
const CAP: &[u8] = b"casemate/cap/v1";
/// How often a quote is asked for while others extend registers.
const TRIES: u32 = 8;

/// What PCR 15 holds on a machine that was started for this manifest: spec/evidence.md.
#[must_use]
pub fn manifest_pcr(manifest: &[u8; 32]) -> [u8; 32] {
    let extended =
        |register: &[u8], digest: &[u8]| Sha256::new().chain_update(register).chain_update(digest).finalize();
    let bound = extended(&[0; 32], manifest);
    extended(&bound, &Sha256::digest(CAP)).into()
}

/// A TPM that signs for this machine.
#[derive(Debug)]
pub struct TpmPlatform {
    connection: Connection,
    key: Key,
    certified: bool,
    log: Option<PathBuf>,
}

impl TpmPlatform {
    /// The TPM behind a device or a Unix socket. Its evidence has neither log nor certificate: see [`Self::with_log`],
    /// [`Self::with_certificate`].
    ///
    /// # Errors
    /// [`Error::Device`] where there is none at `path`.
    pub fn open(path: &Path, key: Key) -> Result<Self, Error> {
        Ok(Self::over(open(path)?, key))
    }

    /// With the log of what firmware and loader extended into the kernel's first TPM. Whoever judges registers needs
    /// none, and evidence with one is refused where a program went on to extend registers that it is about.
    #[must_use]
    pub fn with_log(self) -> Self {
        Self {
            log: Some(PathBuf::from(LOG)),
            ..self
        }
    }

    /// With the certificate of the key, where the TPM holds one. Those of its authorities must be brought by somebody
    /// else: evidence with this one alone is refused, where evidence with none is judged by the key.
    #[must_use]
    pub fn with_certificate(self) -> Self {
        Self {
            certified: true,
            ..self
        }
    }

    /// Whatever answers commands.
    #[must_use]
    pub fn over(transport: Box<dyn Transport>, key: Key) -> Self {
        Self {
            connection: Connection(transport),
            key,
            certified: false,
            log: None,
        }
    }

    /// Binds the manifest with this digest to the machine, until it is started anew: extends PCR 15 and caps it, in all
    /// banks. Another bank than that of SHA-256, at which nobody looks, gets the digest cut or filled up with zeros.
    ///
    /// # Errors
    /// [`Error::Bound`] where something was extended before, or at the same time.
    pub fn bind(&mut self, manifest: &[u8; 32]) -> Result<(), Error> {
        let banks = self.connection.banks()?;
        if !banks.contains(&SHA256) {
            return Err(Error::Missing(
                "active SHA-256 bank of PCRs: switch it on in the firmware",
            ));
        }
        let cap = Sha256::digest(CAP);
        if self.manifest_register()? != [0; 32] {
            return Err(Error::Bound(format!(
                "PCR {MANIFEST_PCR} was extended before: a manifest was started here already; restart the machine"
            )));
        }
        for digest in [&manifest[..], &cap] {
            let digests: Vec<_> = banks.iter().filter_map(|bank| fitted(*bank, digest)).collect();
            self.connection.extend(MANIFEST_PCR, &digests)?;
        }
        if self.manifest_register()? != manifest_pcr(manifest) {
            return Err(Error::Bound(format!(
                "something else was extended into PCR {MANIFEST_PCR} at the same time; restart the machine"
            )));
        }
        Ok(())
    }

    fn manifest_register(&mut self) -> Result<[u8; 32], Error> {
        let values = self.connection.read_pcrs(MANIFEST_PCR..MANIFEST_PCR + 1)?;
        values.first().copied().ok_or(Error::Malformed("no value of a PCR"))
    }

    fn registers(&mut self) -> Result<Vec<[u8; 32]>, Error> {
        let mut values = Vec::new();
        for begin in (0..QUOTED).step_by(AT_ONCE as usize) {
            values.extend(self.connection.read_pcrs(begin..begin + AT_ONCE)?);
        }
        Ok(values)
    }

    /// A quote with the values that it is over.
    fn quote(&mut self, key: &Loaded, qualifying: &[u8]) -> Result<Vec<u8>, Error> {
        let pcrs = selection(SHA256, 0..QUOTED);
        for _ in 0..TRIES {
            let values = self.registers()?;
            let made = self.connection.quote(key.handle, qualifying, &pcrs)?;
            // A register may have been extended in between.
            if quoted::is_over(&made.attest, qualifying, &pcrs, &values)? {
                let parts = Writer::default().sized(&made.attest).bytes(&made.signature);
                return Ok(parts.sized(&key.public).bytes(&values.concat()).0);
            }
        }
        Err(Error::Disturbed(
            "registers of the TPM change between reading and quoting",
        ))
    }
}

impl Platform for TpmPlatform {
    /// The qualifying data is the SHA-256 of `report_data`: 64 bytes do not fit into every TPM's.
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error> {
        let key = Loaded::load(&mut self.connection, self.key)?;
        let report = self.quote(&key, &Sha256::digest(report_data));
        let certificate = if self.certified {
            key.certificate(&mut self.connection)
        } else {
            Ok(None)
        };
        key.unload(&mut self.connection);
        Ok(Evidence {
            log: self.log.as_deref().and_then(log_at),
            certificates: certificate?.as_deref().map(pem).unwrap_or_default(),
            ..Evidence::of(Format::Tpm, report?)
        })
    }

    /// PCR 15 is the last of the values, which are the last part of the report.
    fn binding(&self, evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
        let register = evidence.report.last_chunk::<32>();
        let register = register.ok_or(Error::Malformed("a report of the wrong size"))?;
        Ok(match Binding::of(register, &manifest_pcr(manifest)) {
            Binding::Another(value) => Binding::Another(format!("another: its PCR {MANIFEST_PCR} is {value}")),
            Binding::This => Binding::This,
        })
    }

    fn derive_key(&mut self, _context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        Err(Error::Missing("sealing keys: a custodian cannot run on a TPM yet"))
    }
}

/// A digest in the length of a bank; `None` for a bank that nobody knows.
fn fitted(bank: u16, digest: &[u8]) -> Option<(u16, Vec<u8>)> {
    // TPM_ALG_SHA1, SHA256, SHA384, SHA512, SM3_256, SHA3_256, SHA3_384, SHA3_512 (part 2, "TPM_ALG_ID").
    let length = match bank {
        0x0004 => 20,
        0x000B | 0x0012 | 0x0027 => 32,
        0x000C | 0x0028 => 48,
        0x000D | 0x0029 => 64,
        _ => return None,
    };
    let mut fitted = digest.to_vec();
    fitted.resize(length, 0);
    Some((bank, fitted))
}

fn pem(der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).collect();
    let begin: &[u8] = b"-----BEGIN CERTIFICATE-----\n";
    [begin, &lines.join(&b'\n'), b"\n-----END CERTIFICATE-----\n"].concat()
}

#[cfg(test)]
mod tests;
