//! TLS with a pinned custodian (spec/ra-tls.md, "By identity"): whether the key of a certificate is one that it
//! vouches for. The evidence in the certificate is not looked at: whoever pinned the custodian did that.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Error;
use crate::encoding::{digest, from_b64u, is_canonical, key, sha256};
use crate::genesis::Genesis;
use crate::instance::Instance;

mod certificate;

use certificate::Certificate;

const TYPE: &[u8] = b"application/vnd.casemate.ra-tls+json";
const PURPOSE: &[u8] = b"casemate/ra-tls/v1";
/// More does not fit into the handshake message of some implementations.
const MAX_CERTIFICATE: usize = 64 * 1024;
/// Longest life of a certificate, in seconds.
const LONGEST: i64 = 24 * 60 * 60;

const FORM: Error = Error::NotGenuine {
    step: "the certificate's form",
};
const KEY: Error = Error::NotGenuine {
    step: "it does not vouch for the certificate's key",
};

/// A custodian that was pinned, as a verifier of servers' certificates.
#[derive(Debug)]
pub struct PinnedCustodian {
    identity_key: [u8; 32],
    identity: [u8; 32],
    provider: Arc<CryptoProvider>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Carried {
    casemate_ra_tls: u8,
    custodian: String,
    manifest: String,
    signing_key: String,
    hpke_key: String,
    #[serde(rename = "evidence")]
    _evidence: Map<String, Value>,
    #[serde(rename = "endorsements")]
    _endorsements: Map<String, Value>,
    instance: Option<String>,
    signature: Option<String>,
}

impl PinnedCustodian {
    /// By its genesis record.
    ///
    /// # Errors
    /// When these bytes are none.
    pub fn of(genesis: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            identity_key: Genesis::parse(genesis)?.identity_key,
            identity: sha256(genesis),
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        })
    }

    /// Whether the custodian vouches for the key of this certificate (DER), at this time (Unix seconds).
    ///
    /// # Errors
    /// When it does not, with the check that failed.
    pub fn verify(&self, der: &[u8], now: i64) -> Result<(), Error> {
        if der.len() > MAX_CERTIFICATE {
            return Err(FORM);
        }
        // 1. The form: signed by its own key, one extension, one record of our type, one spelling.
        let certificate = Certificate::parse(der).ok_or(FORM)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, certificate.point)
            .verify(certificate.signed, certificate.signature)
            .map_err(|_| FORM)?;
        let carried = Carried::read(certificate.carried)?;
        // 2. The times of the certificate.
        if certificate.end - certificate.start > LONGEST || !(certificate.start..=certificate.end).contains(&now) {
            return Err(Error::NotGenuine {
                step: "the certificate is not valid now (is the clock right?)",
            });
        }
        // 3, 4. It is a certificate of this custodian, and an instance of it, which is valid now, vouches.
        let instance = self.instance(&carried, now)?;
        // 5. The instance's signature over the certificate's key.
        let message = casemate_evidence::bind(&[PURPOSE, &self.identity, &sha256(certificate.public_key)]);
        let signature = carried.signature.as_deref().and_then(from_b64u).ok_or(KEY)?;
        UnparsedPublicKey::new(&ED25519, instance.key)
            .verify(&message, &signature)
            .map_err(|_| KEY)
    }

    fn instance(&self, carried: &Carried, now: i64) -> Result<Instance, Error> {
        if digest(&carried.custodian) != Some(self.identity) {
            return Err(Error::NotGenuine {
                step: "the certificate is another custodian's",
            });
        }
        let header = carried.instance.as_deref().unwrap_or_default();
        let instance = Instance::verify(header, &self.identity_key, &self.identity, now)?;
        let named = (key(&carried.signing_key, "ed25519"), key(&carried.hpke_key, "x25519"));
        if named != (Some(instance.key), Some(instance.sealing_key)) {
            return Err(Error::NotGenuine {
                step: "the certificate is about other keys than the instance's",
            });
        }
        Ok(instance)
    }
}

impl Carried {
    /// From the value of the extension: a record of CBOR, of our type and without indicators (spec/evidence.md).
    fn read(value: &[u8]) -> Result<Self, Error> {
        let json = record(value).ok_or(FORM)?;
        let carried: Self = serde_json::from_slice(json).map_err(|_| FORM)?;
        let signature = carried.signature.as_deref().map(from_b64u);
        let right_size = signature
            .as_ref()
            .is_none_or(|bytes| bytes.as_ref().is_some_and(|b| b.len() == 64));
        let known = digest(&carried.custodian).is_some() && digest(&carried.manifest).is_some();
        let both = carried.instance.is_some() == carried.signature.is_some();
        if carried.casemate_ra_tls != 1 || !is_canonical(json) || !right_size || !known || !both {
            return Err(FORM);
        }
        Ok(carried)
    }
}

/// The bytes in `[type, bytes]`.
fn record(value: &[u8]) -> Option<&[u8]> {
    let rest = value.strip_prefix(&[0x82])?;
    let (name, rest) = item(rest, 0x60)?;
    let (bytes, rest) = item(rest, 0x40)?;
    (name == TYPE && rest.is_empty()).then_some(bytes)
}

/// A text or byte string (`major`) of CBOR in its shortest form, and what is behind it.
fn item(data: &[u8], major: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = data.split_first()?;
    let short = first.checked_sub(major).filter(|short| *short < 32)?;
    let size = match short {
        0..=23 => 0,
        24 => 1,
        25 => 2,
        26 => 4,
        _ => return None,
    };
    let (head, rest) = rest.split_at_checked(size)?;
    let long = head
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    let least = [0, 24, 1 << 8, 0, 1 << 16][size];
    let length = if size == 0 { usize::from(short) } else { long };
    if size != 0 && long < least {
        return None;
    }
    rest.split_at_checked(length)
}

impl ServerCertVerifier for PinnedCustodian {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.verify(certificate, seconds)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| CertificateError::Other(OtherError(Arc::new(error))).into())
    }

    /// Nothing older than TLS 1.3 is spoken.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
