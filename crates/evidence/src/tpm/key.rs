//! The key that signs quotes.

use super::commands::{ALG_NULL, SHA256};
use super::connection::Connection;
use super::wire::{Reader, Writer};
use crate::Error;

/// TPM_ALG_ECC, TPM_ALG_RSA, TPM_ALG_ECDSA, and TPM_ECC_NIST_P256 (part 2, "TPM_ALG_ID", "TPM_ECC_CURVE").
const ECC: u16 = 0x0023;
const RSA: u16 = 0x0001;
const ECDSA: u16 = 0x0018;
const P256: u16 = 0x0003;
/// Never leaves this TPM, was made in it, is used without a policy, and signs only what the TPM itself wrote: fixedTPM,
/// fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, sign (part 2, "TPMA_OBJECT").
const ATTRIBUTES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 10 | 1 << 16 | 1 << 18;

/// Where Google's machines keep the template of their ECC key, and the certificates of their RSA and ECC keys. Those that
/// others keep elsewhere (Azure's at 0x01C101D0) lead to no root that a verifier of ours trusts.
const GOOGLE_TEMPLATE: u32 = 0x01C1_0003;
const CERTIFICATES: [u32; 2] = [0x01C1_0002, 0x01C1_0000];

/// Which key signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// Google's where the machine has one, else a key of the endorsement hierarchy that is the same on each start.
    #[default]
    Usual,
    /// One that somebody made, under its persistent handle. It must be restricted to signing.
    Persistent(u32),
}

/// A key that is loaded.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub handle: u32,
    /// TPMT_PUBLIC.
    pub public: Vec<u8>,
    is_transient: bool,
}

impl Loaded {
    /// Loads it, or makes it.
    pub fn load(connection: &mut Connection, key: Key) -> Result<Self, Error> {
        let (handle, public) = match key {
            Key::Persistent(handle) => (handle, connection.read_public(handle)?),
            Key::Usual => {
                let googles = connection.nv(GOOGLE_TEMPLATE)?;
                connection.create_primary(&googles.unwrap_or_else(template))?
            }
        };
        Ok(Self {
            handle,
            public,
            is_transient: key == Key::Usual,
        })
    }

    /// Its certificate in DER, if the TPM holds one of this key.
    pub fn certificate(&self, connection: &mut Connection) -> Result<Option<Vec<u8>>, Error> {
        let number = public_number(&self.public)?;
        for index in CERTIFICATES {
            // A certificate has the number of its key as it is: the modulus, or a point's coordinate.
            let found = connection.nv(index)?.and_then(certificate_in);
            if let Some(found) = found.filter(|found| found.windows(number.len()).any(|part| part == number)) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Gives its place in the TPM back.
    pub fn unload(self, connection: &mut Connection) {
        if self.is_transient {
            connection.flush(self.handle);
        }
    }
}

/// The template of our own key: ECDSA with SHA-256 on P-256.
fn template() -> Vec<u8> {
    let signing = Writer::default().u16(ALG_NULL).u16(ECDSA).u16(SHA256);
    let parameters = signing.u16(P256).u16(ALG_NULL).0;
    let head = Writer::default().u16(ECC).u16(SHA256).u32(ATTRIBUTES).sized(&[]);
    head.bytes(&parameters).sized(&[]).sized(&[]).0
}

/// The certificate that an NV index begins with: what is behind it fills the index up. `None` where there is none.
fn certificate_in(mut content: Vec<u8>) -> Option<Vec<u8>> {
    // A DER sequence of 256 bytes to 64 KiB (X.690, 8.1.3.5), as all certificates are.
    let length = match content.get(..4)? {
        &[0x30, 0x82, high, low] => 4 + usize::from(u16::from_be_bytes([high, low])),
        _ => return None,
    };
    if content.len() < length {
        return None;
    }
    content.truncate(length);
    Some(content)
}

/// What tells this public key (TPMT_PUBLIC of a key that signs) from others: its modulus, or its point's x.
fn public_number(public: &[u8]) -> Result<&[u8], Error> {
    const NO_SIGNING_KEY: Error = Error::Malformed("a key that is none to sign with");
    let mut reader = Reader(public);
    let kind = reader.u16()?;
    reader.take(2 + 4)?;
    reader.sized()?;
    if reader.u16()? != ALG_NULL {
        return Err(NO_SIGNING_KEY);
    }
    if reader.u16()? != ALG_NULL {
        reader.u16()?;
    }
    match kind {
        ECC => {
            reader.u16()?;
            if reader.u16()? != ALG_NULL {
                reader.u16()?;
            }
        }
        RSA => {
            reader.take(2 + 4)?;
        }
        _ => return Err(NO_SIGNING_KEY),
    }
    let number = reader.sized()?;
    if number.is_empty() {
        return Err(NO_SIGNING_KEY);
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_key_is_found_behind_its_parameters() {
        let mut point = template();
        assert!(public_number(&point).is_err());
        point.truncate(point.len() - 4);
        point.extend_from_slice(&[0, 2, 7, 8, 0, 1, 9]);
        assert_eq!(public_number(&point).unwrap(), [7, 8]);
        let head = Writer::default().u16(RSA).u16(SHA256).u32(ATTRIBUTES).sized(b"policy");
        let rsa = head
            .u16(ALG_NULL)
            .u16(0x14)
            .u16(SHA256)
            .u16(2048)
            .u32(0)
            .sized(&[5; 4])
            .0;
        assert_eq!(public_number(&rsa).unwrap(), [5; 4]);
        assert!(public_number(&rsa[..rsa.len() - 5]).is_err());
        let decrypting = Writer::default().u16(RSA).u16(SHA256).u32(0).sized(&[]).u16(6).0;
        assert!(public_number(&decrypting).is_err());
    }

    #[test]
    fn a_certificate_ends_where_it_says() {
        let certificate = [&[0x30, 0x82, 1, 0][..], &[7; 256]].concat();
        let padded = [&certificate[..], &[0; 99]].concat();
        assert_eq!(certificate_in(padded), Some(certificate.clone()));
        assert_eq!(certificate_in(certificate[..259].to_vec()), None);
        assert_eq!(certificate_in(vec![0; 300]), None);
        assert_eq!(certificate_in(Vec::new()), None);
    }

    #[test]
    fn our_key_is_restricted_to_signing_and_stays_in_its_tpm() {
        assert_eq!(ATTRIBUTES, 0x0005_0472);
        assert_eq!(template().len(), 24);
    }
}
