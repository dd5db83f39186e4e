use std::sync::Arc;

use casemate_evidence::{Evidence, Platform, Purpose, bind, report_data};
use casemate_wire::encoding::{b64u, digest, from_b64u, sha256};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Channel;
use crate::genesis::Genesis;
use crate::http::{Limits, Line};
use crate::keys::{OpeningKey, SigningKey};
use crate::lease::Lease;
use crate::{Configuration, Error};

const RELEASE_LABEL: &[u8] = b"casemate/release/v1";

/// The custodian that a manifest pins.
#[derive(Debug)]
pub struct Custodian {
    addresses: Vec<String>,
    identity: [u8; 32],
    identity_key: [u8; 32],
}

/// What a custodian released to this domain.
#[derive(Debug)]
pub struct Release {
    /// What the policy gives.
    pub configuration: Configuration,
    /// How long it may be used.
    pub lease: Lease,
    /// The decision behind it, as the custodian's record names it: 40 hex digits.
    pub decision: String,
    /// What it was asked with.
    pub keys: AttestedKeys,
    /// When it was given, by the custodian's clock: seconds after the epoch.
    pub time: u64,
}

/// Public keys that the evidence of a release binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestedKeys {
    /// Ed25519; signs what the lease asks.
    pub signing_key: [u8; 32],
    /// X25519; what was released was sealed to it. Its private half is gone.
    pub hpke_key: [u8; 32],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeAnswer {
    nonce: String,
    #[serde(rename = "expires_in")]
    _expires_in: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttestationAnswer {
    #[serde(rename = "result")]
    _result: String,
    decision: String,
    policy: PolicyReference,
    lease: LeaseAnswer,
    configuration: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyReference {
    genesis: String,
    version: String,
    #[serde(rename = "number")]
    _number: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LeaseAnswer {
    id: String,
    seconds: u64,
}

impl Custodian {
    /// The custodian with this identity. `genesis` and `addresses` are the host's word: the first must hash to
    /// `identity`, the second need not be true.
    ///
    /// # Errors
    /// [`Error::NotGenuine`] for another genesis record, [`Error::Bundle`] for what cannot be used.
    pub fn pinned(genesis: &[u8], identity: &[u8; 32], addresses: &[String]) -> Result<Self, Error> {
        if sha256(genesis) != *identity {
            return Err(Error::NotGenuine {
                step: "the genesis record is another custodian's",
            });
        }
        let identity_key = Genesis::parse(genesis)?.identity_key;
        Line::new(addresses, Limits::PROTOCOL)?;
        Ok(Self {
            addresses: addresses.to_vec(),
            identity: *identity,
            identity_key,
        })
    }

    /// Proves what this domain is, with fresh keys, and receives what its policy gives. `statements` are release
    /// statements that the policy may ask for, handed on as they came.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn attest(
        &self,
        platform: &mut dyn Platform,
        manifest: &[u8],
        manifest_digest: &[u8; 32],
        policy_genesis: &[u8; 32],
        statements: &[Vec<u8>],
    ) -> Result<Release, Error> {
        let opening = OpeningKey::generate()?;
        let channel = Arc::new(self.channel(SigningKey::generate()?)?);
        let nonce = challenge(&channel)?;
        let public = channel.key.public();
        let data = report_data(
            Purpose::Release,
            &self.identity,
            &nonce,
            public,
            opening.public(),
            manifest_digest,
        );
        let evidence = platform.evidence(&data)?;
        let mut request = request(&channel, &nonce, &evidence, manifest, &opening);
        if !statements.is_empty() {
            request["statements"] = statements.iter().map(|statement| b64u(statement)).collect();
        }
        let (answer, time): (AttestationAnswer, u64) = channel.ask_for_time("/v1/attestations", &request)?;
        let configuration = self.open(
            &answer,
            &opening,
            &nonce,
            manifest_digest,
            policy_genesis,
            channel.key.public(),
        )?;
        if !is_decision(&answer.decision) {
            return Err(Error::Malformed("a decision's id"));
        }
        let keys = AttestedKeys {
            signing_key: *channel.key.public(),
            hpke_key: *opening.public(),
        };
        Ok(Release {
            configuration,
            keys,
            time,
            lease: Lease::new(channel, answer.lease.id, answer.lease.seconds)?,
            decision: answer.decision,
        })
    }

    /// A lease that was obtained elsewhere, with the key (its seed) that it was made for.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what is no lease, [`Error::Keys`] for what is no key.
    pub fn lease(&self, seed: &[u8; 32], id: &str, seconds: u64) -> Result<Lease, Error> {
        Lease::new(
            Arc::new(self.channel(SigningKey::from_seed(seed)?)?),
            id.to_owned(),
            seconds,
        )
    }

    fn channel(&self, key: SigningKey) -> Result<Channel, Error> {
        Ok(Channel {
            line: Line::new(&self.addresses, Limits::PROTOCOL)?,
            identity: self.identity,
            identity_key: self.identity_key,
            key,
        })
    }

    fn open(
        &self,
        answer: &AttestationAnswer,
        opening: &OpeningKey,
        nonce: &[u8; 32],
        manifest_digest: &[u8; 32],
        policy_genesis: &[u8; 32],
        signing_key: &[u8; 32],
    ) -> Result<Configuration, Error> {
        if digest(&answer.policy.genesis).as_ref() != Some(policy_genesis) {
            return Err(Error::NotGenuine {
                step: "the configuration is of another policy than the manifest's",
            });
        }
        let version = digest(&answer.policy.version).ok_or(Error::Malformed("policy version"))?;
        let info = release_info(
            &self.identity,
            nonce,
            manifest_digest,
            policy_genesis,
            &version,
            signing_key,
        );
        let sealed = from_b64u(&answer.configuration).ok_or(Error::Malformed("configuration"))?;
        let step = "the configuration was not sealed for this attestation";
        Configuration::parse(&opening.open(&sealed, &info).ok_or(Error::NotGenuine { step })?)
    }
}

/// HPKE `info` of a released configuration.
pub(crate) fn release_info(
    custodian: &[u8; 32],
    nonce: &[u8; 32],
    manifest: &[u8; 32],
    policy_genesis: &[u8; 32],
    policy_version: &[u8; 32],
    signing_key: &[u8; 32],
) -> Vec<u8> {
    bind(&[
        RELEASE_LABEL,
        custodian,
        nonce,
        manifest,
        policy_genesis,
        policy_version,
        signing_key,
    ])
}

fn is_decision(id: &str) -> bool {
    id.len() == 40 && id.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn challenge(channel: &Channel) -> Result<[u8; 32], Error> {
    let answer: ChallengeAnswer = channel.ask("/v1/challenges", &json!({}))?;
    from_b64u(&answer.nonce)
        .and_then(|nonce| nonce.try_into().ok())
        .ok_or(Error::Malformed("nonce"))
}

fn request(channel: &Channel, nonce: &[u8; 32], evidence: &Evidence, manifest: &[u8], opening: &OpeningKey) -> Value {
    json!({
        "nonce": b64u(nonce),
        "evidence": evidence.evidence_json(),
        "endorsements": evidence.endorsements_json(),
        "manifest": b64u(manifest),
        "signing_key": channel.key.public_text(),
        "hpke_key": opening.public_text(),
    })
}
