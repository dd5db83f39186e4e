//! What can be asked for.

use std::path::PathBuf;

use casemate_evidence::tpm::Key;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// One request.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Evidence of this machine.
    Collect(Collect),
}

/// Which evidence.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collect {
    /// Of which platform; otherwise of the first that is there.
    pub platform: Option<Platform>,
    /// Over what, in hexadecimal digits.
    #[serde(deserialize_with = "sixty_four")]
    pub report_data: [u8; 64],
    /// Device or socket of a TPM, if not the kernel's.
    pub tpm: Option<PathBuf>,
    /// Persistent handle of the TPM's key that signs.
    pub key: Option<u32>,
    /// With the event log, where there is one.
    pub log: bool,
}

impl Collect {
    /// The key of a TPM.
    pub fn key(&self) -> Key {
        self.key.map_or(Key::Usual, Key::Persistent)
    }
}

/// A platform, as policies name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    SevSnp,
    Tdx,
    Nitro,
    Tpm,
    /// Never chosen: only named.
    Simulated,
}

impl Platform {
    pub fn name(self) -> &'static str {
        match self {
            Self::SevSnp => "sev-snp",
            Self::Tdx => "tdx",
            Self::Nitro => "nitro",
            Self::Tpm => "tpm",
            Self::Simulated => "simulated",
        }
    }
}

fn sixty_four<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 64], D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.as_bytes();
    let mut bytes = [0; 64];
    if digits.len() != 2 * bytes.len() {
        return Err(D::Error::custom("not 128 hexadecimal digits"));
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'));
        let value = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        *byte = value.ok_or_else(|| D::Error::custom("not 128 hexadecimal digits"))?;
    }
    Ok(bytes)
}
