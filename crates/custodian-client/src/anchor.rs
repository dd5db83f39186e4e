//! The anchor of a sealed volume (spec/protocol.md, "Volumes"), asked under a lease.

use std::sync::Arc;

use casemate_wire::encoding::{b64u, digest, digest_text, from_b64u};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;
use crate::answer::Channel;
use crate::configured_volume::is_volume_name;

/// Whether a volume lives.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AnchorState {
    /// Nobody wrote it yet; everything else in the record is zero.
    Uninitialised,
    /// In use.
    Active,
    /// Closed for ever.
    Retired,
}

/// What an anchor remembers of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorRecord {
    /// Identity of the volume.
    pub volume: [u8; 16],
    /// Whether it lives.
    pub state: AnchorState,
    /// Newest anchored checkpoint.
    pub generation: u64,
    /// Binds that checkpoint and the log up to some group.
    pub root: [u8; 32],
    /// Number of the writer that may move the record.
    pub fence: u64,
}

/// A record as the custodian holds it, and what it knows of readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchored {
    /// What the anchor holds now.
    pub record: AnchorRecord,
    /// Told to writers: the oldest generation that somebody reads. What it needs must not be overwritten.
    pub oldest_reader: Option<u64>,
}

/// What became of a wish to move a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is the new one, durably.
    Set(Anchored),
    /// It was not the expected one; this is.
    Conflict(Anchored),
}

/// Moves the anchor of one volume, as long as the lease lives that it was made from.
///
/// Every call blocks until an answer verified, at most some seconds for each of the custodian's addresses. **An error
/// leaves open whether a move happened**, a refusal too: the reply to an earlier attempt may have been lost. Read, and
/// compare; the same move asked again is answered with [`Moved::Set`] if it had happened.
#[derive(Clone, Debug)]
pub struct VolumeAnchor {
    channel: Arc<Channel>,
    path: String,
}

impl VolumeAnchor {
    /// `lease` is the text of a lease's id.
    pub(crate) fn new(channel: Arc<Channel>, lease: &str, volume: &str) -> Result<Self, Error> {
        // The name becomes part of a path.
        if !is_volume_name(volume) {
            return Err(Error::Malformed("a volume's name"));
        }
        let path = format!("/v1/leases/{lease}/volumes/{volume}");
        Ok(Self { channel, path })
    }

    /// The record. A lease with mode `read` is remembered as a reader of its generation until it ends.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn read(&self) -> Result<Anchored, Error> {
        match self.ask(&json!({"read": {}}))? {
            (Outcome::Current, anchored) => Ok(anchored),
            _ => Err(Error::Malformed("outcome of a read")),
        }
    }

    /// Puts `new` in place of `expected`.
    ///
    /// # Errors
    /// Every [`Error`]; [`Error::wait`] says when a volume that another lease holds may be free.
    pub fn compare_and_set(&self, expected: &AnchorRecord, new: &AnchorRecord) -> Result<Moved, Error> {
        let wish = json!({"set": {"expected": expected.to_json(), "new": new.to_json()}});
        match self.ask(&wish)? {
            (Outcome::Set, anchored) if anchored.record == *new => Ok(Moved::Set(anchored)),
            (Outcome::Conflict, anchored) => Ok(Moved::Conflict(anchored)),
            _ => Err(Error::Malformed("outcome of a set")),
        }
    }

    /// Gives up what this lease holds or reads, so that others need not wait for its end.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn release(&self) -> Result<Anchored, Error> {
        match self.ask(&json!({"release": {}}))? {
            (Outcome::Released, anchored) => Ok(anchored),
            _ => Err(Error::Malformed("outcome of a release")),
        }
    }

    /// The anchor of what is written under the volume's next key, for a lease that may rekey it.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            channel: Arc::clone(&self.channel),
            path: format!("{}/next", self.path),
        }
    }

    /// Makes the next key the volume's, and `new`, the record of [`Self::next`], the volume's instead of `expected`.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn rekey(&self, expected: &AnchorRecord, new: &AnchorRecord) -> Result<Moved, Error> {
        let wish = json!({"expected": expected.to_json(), "new": new.to_json()});
        let answer: AnswerForm = self.channel.ask(&format!("{}/rekey", self.path), &wish)?;
        match answer.read()? {
            (Outcome::Rekeyed, anchored) if anchored.record == *new => Ok(Moved::Set(anchored)),
            (Outcome::Conflict, anchored) => Ok(Moved::Conflict(anchored)),
            _ => Err(Error::Malformed("outcome of a rekeying")),
        }
    }

    fn ask(&self, request: &Value) -> Result<(Outcome, Anchored), Error> {
        self.channel.ask::<AnswerForm>(&self.path, request)?.read()
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Current,
    Set,
    Conflict,
    Released,
    Rekeyed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerForm {
    outcome: Outcome,
    record: RecordForm,
    oldest_reader: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordForm {
    volume: String,
    state: AnchorState,
    generation: String,
    root: String,
    fence: String,
}

impl AnswerForm {
    pub(crate) fn read(&self) -> Result<(Outcome, Anchored), Error> {
        let oldest = self.oldest_reader.as_deref().map(unsigned).transpose()?;
        let anchored = Anchored {
            record: self.record.read()?,
            oldest_reader: oldest,
        };
        Ok((self.outcome, anchored))
    }
}

impl RecordForm {
    fn read(&self) -> Result<AnchorRecord, Error> {
        let volume = from_b64u(&self.volume).and_then(|bytes| bytes.try_into().ok());
        let record = AnchorRecord {
            volume: volume.ok_or(Error::Malformed("a volume's identity"))?,
            state: self.state,
            generation: unsigned(&self.generation)?,
            root: digest(&self.root).ok_or(Error::Malformed("a volume's root"))?,
            fence: unsigned(&self.fence)?,
        };
        if record.state == AnchorState::Uninitialised && record != AnchorRecord::UNINITIALISED {
            return Err(Error::Malformed("a record of nothing"));
        }
        Ok(record)
    }
}

impl AnchorRecord {
    /// Of a volume that nobody wrote yet.
    pub const UNINITIALISED: Self = Self {
        volume: [0; 16],
        state: AnchorState::Uninitialised,
        generation: 0,
        root: [0; 32],
        fence: 0,
    };

    fn to_json(self) -> Value {
        json!({"volume": b64u(&self.volume), "state": self.state, "generation": self.generation.to_string(),
               "root": digest_text(&self.root), "fence": self.fence.to_string()})
    }
}

/// A number of 64 bits in its one spelling.
fn unsigned(text: &str) -> Result<u64, Error> {
    let number = text.parse::<u64>().ok().filter(|number| number.to_string() == text);
    number.ok_or(Error::Malformed("a number of 64 bits"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(value: &Value) -> Result<(Outcome, Anchored), Error> {
        serde_json::from_value::<AnswerForm>(value.clone())
            .map_err(|_| Error::Malformed("answer"))?
            .read()
    }

    #[test]
    fn numbers_have_one_spelling() {
        for (text, number) in [("0", 0), ("7", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(unsigned(text).unwrap(), number);
        }
        for text in [
            "",
            "00",
            "07",
            "+7",
            "-1",
            " 7",
            "7 ",
            "1e3",
            "\u{661}",
            "18446744073709551616",
        ] {
            assert!(matches!(unsigned(text), Err(Error::Malformed(_))), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was_written(volume: [u8; 16], generation: u64, root: [u8; 32], fence: u64) {
            let record = AnchorRecord { volume, state: AnchorState::Active, generation, root, fence };
            let answer = json!({"outcome": "set", "record": record.to_json(), "oldest_reader": fence.to_string()});
            let (outcome, anchored) = form(&answer).unwrap();
            prop_assert_eq!(outcome, Outcome::Set);
            prop_assert_eq!(anchored, Anchored { record, oldest_reader: Some(fence) });
        }

        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes: Vec<u8>) {
            let _ = crate::parsers::volume(&bytes);
        }

        #[test]
        fn any_texts_are_an_answer_or_an_error(volume: String, number: String, root: String) {
            let record = json!({"volume": volume, "state": "active", "generation": number, "root": root, "fence": "1"});
            let _ = form(&json!({"outcome": "current", "record": record}));
        }
    }
}
