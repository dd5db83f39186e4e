use std::sync::Arc;

use casemate_wire::encoding::from_b64u;
use serde::Deserialize;
use serde_json::json;

use crate::Error;
use crate::anchor::VolumeAnchor;
use crate::answer::Channel;

/// Longest lease that a policy can give (spec/policy.md), in seconds.
const LONGEST: u64 = 24 * 60 * 60;

/// How long a release may be used. Renewing asks the custodian to decide anew.
#[derive(Debug)]
pub struct Lease {
    channel: Arc<Channel>,
    id: String,
    seconds: u64,
    sequence: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewalAnswer {
    sequence: u64,
    seconds: u64,
}

impl Lease {
    pub(crate) fn new(channel: Arc<Channel>, id: String, seconds: u64) -> Result<Self, Error> {
        // The id becomes part of a path.
        if from_b64u(&id).is_none_or(|bytes| bytes.len() != 16) {
            return Err(Error::Malformed("lease"));
        }
        Ok(Self {
            channel,
            id,
            seconds: in_range(seconds)?,
            sequence: 1,
        })
    }

    /// Seconds from the last grant to the end.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// The way to the anchor of a volume that the policy gives to this workload, for as long as this lease lives.
    ///
    /// # Errors
    /// [`Error::Malformed`] for what cannot be a volume's name.
    pub fn anchor(&self, volume: &str) -> Result<VolumeAnchor, Error> {
        VolumeAnchor::new(Arc::clone(&self.channel), &self.id, volume)
    }

    /// Asks for more time. After a lost reply the same number is sent again, and the custodian repeats its answer:
    /// what it grants counts from the *first* time that this number was sent.
    ///
    /// # Errors
    /// [`Error::Refused`] when the policy no longer admits this domain; anything else may pass.
    pub fn renew(&mut self) -> Result<(), Error> {
        let path = format!("/v1/leases/{}/renewals", self.id);
        let answer: RenewalAnswer = self.channel.ask(&path, &json!({"sequence": self.sequence}))?;
        if answer.sequence != self.sequence {
            return Err(Error::Malformed("renewal of another sequence number"));
        }
        self.seconds = in_range(answer.seconds)?;
        self.sequence += 1;
        Ok(())
    }
}

fn in_range(seconds: u64) -> Result<u64, Error> {
    Some(seconds)
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or(Error::Malformed("lease"))
}
