//! What a certificate of ours carries besides its key (spec/ra-tls.md, "Certificate"), and evidence as it travels
//! (spec/evidence.md, "Wire form").

use casemate_wire::encoding::{b64u, digest, exact, from_b64u, key, sha256};
use casemate_wire::{Purpose, report_data};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

/// The media type of the record.
pub const TYPE: &str = "application/vnd.casemate.ra-tls+json";

/// A chain has three certificates; each issuer publishes one list.
pub const MAX_CRLS: usize = 8;
pub const MAX_DOCUMENTS: usize = 4;
const MAX_INSTANCE: usize = 8192;
const SIGNATURE_BYTES: usize = 64;

/// What a certificate carries. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// Under which custodian.
    pub custodian: [u8; 32],
    /// Digest of the launch manifest.
    pub manifest: [u8; 32],
    /// Ed25519.
    pub signing_key: [u8; 32],
    /// X25519.
    pub hpke_key: [u8; 32],
    /// Over the certificate's key.
    pub evidence: Evidence,
    /// What came with it.
    pub endorsements: Endorsements,
    /// Of a custodian's certificate: who vouches for it by its identity.
    pub identity: Option<Vouched>,
}

/// The instance of a custodian that vouches for a certificate's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// As the header `Casemate-Instance`.
    pub instance: String,
    /// Of the instance, over the key.
    pub signature: [u8; SIGNATURE_BYTES],
}

/// Whose words a report is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Format {
    /// Of SEV-SNP, or of a platform that simulates it.
    #[serde(rename = "sev-snp-report")]
    SevSnp,
    /// Of a TPM.
    #[serde(rename = "tpm-quote")]
    Tpm,
    /// Of Intel TDX.
    #[serde(rename = "tdx-quote")]
    Tdx,
    /// Of Intel SGX.
    #[serde(rename = "sgx-quote")]
    Sgx,
    /// Of AWS Nitro.
    #[serde(rename = "nitro-document")]
    Nitro,
}

impl Format {
    /// Its name in the wire form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SevSnp => "sev-snp-report",
            Self::Tpm => "tpm-quote",
            Self::Tdx => "tdx-quote",
            Self::Sgx => "sgx-quote",
            Self::Nitro => "nitro-document",
        }
    }
}

/// What a platform signed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// How it is to be read.
    pub format: Format,
    /// With its signature.
    #[serde(deserialize_with = "base64url", serialize_with = "as_base64url")]
    pub report: Vec<u8>,
    /// The event log, where there is one.
    #[serde(
        default,
        deserialize_with = "present_base64url",
        serialize_with = "some_as_base64url",
        skip_serializing_if = "Option::is_none"
    )]
    pub log: Option<Vec<u8>>,
}

/// What its vendor says of the one that signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsements {
    /// The certificate table of the GHCB specification for SEV-SNP, else PEM.
    #[serde(deserialize_with = "base64url", serialize_with = "as_base64url")]
    pub certificates: Vec<u8>,
    /// Revocation lists, DER.
    #[serde(deserialize_with = "all_base64url", serialize_with = "all_as_base64url")]
    pub crls: Vec<Vec<u8>>,
    /// What else it signed.
    #[serde(
        default,
        deserialize_with = "some_base64url",
        serialize_with = "all_as_base64url",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub documents: Vec<Vec<u8>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Form {
    casemate_ra_tls: u8,
    custodian: String,
    manifest: String,
    signing_key: String,
    hpke_key: String,
    evidence: Evidence,
    endorsements: Endorsements,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(
        default,
        deserialize_with = "present_base64url",
        serialize_with = "some_as_base64url",
        skip_serializing_if = "Option::is_none"
    )]
    signature: Option<Vec<u8>>,
}

impl Carried {
    /// From canonical JSON.
    ///
    /// # Errors
    /// `ra_tls.form`.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        Self::read(json)
            .ok_or_else(|| Error::new("ra_tls.form", "what the certificate carries is not of the known form"))
    }

    fn read(json: &[u8]) -> Option<Self> {
        let form: Form = exact(json)?;
        let counted = form.endorsements.crls.len() <= MAX_CRLS && form.endorsements.documents.len() <= MAX_DOCUMENTS;
        (form.casemate_ra_tls == 1 && counted).then_some(())?;
        let identity = match (form.instance, form.signature) {
            (None, None) => None,
            (Some(instance), Some(signature)) if instance.len() <= MAX_INSTANCE => Some(Vouched {
                instance,
                signature: signature.try_into().ok()?,
            }),
            _ => return None,
        };
        Some(Self {
            custodian: digest(&form.custodian)?,
            manifest: digest(&form.manifest)?,
            signing_key: key(&form.signing_key, "ed25519")?,
            hpke_key: key(&form.hpke_key, "x25519")?,
            evidence: form.evidence,
            endorsements: form.endorsements,
            identity,
        })
    }

    /// What the evidence must be made over. `public_key` is the certificate's SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn report_data(&self, public_key: &[u8]) -> [u8; 64] {
        report_data(
            Purpose::RaTls,
            &self.custodian,
            &sha256(public_key),
            &self.signing_key,
            &self.hpke_key,
            &self.manifest,
        )
    }
}

/// A field that is there has a value: null would be a second spelling of its absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

fn present_base64url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    base64url(deserializer).map(Some)
}

fn base64url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    decoded(&String::deserialize(deserializer)?)
}

fn all_base64url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| decoded(text)).collect()
}

/// An empty list would be a second spelling of its absence.
fn some_base64url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let all = all_base64url(deserializer)?;
    if all.is_empty() {
        return Err(serde::de::Error::custom("an empty list, which is left out"));
    }
    Ok(all)
}

fn decoded<E: serde::de::Error>(text: &str) -> Result<Vec<u8>, E> {
    from_b64u(text).ok_or_else(|| E::custom("not base64url without padding"))
}

fn as_base64url<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&b64u(bytes))
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn some_as_base64url<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.as_deref().map(b64u).serialize(serializer)
}

fn all_as_base64url<S: Serializer>(all: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(|bytes| b64u(bytes)))
}
