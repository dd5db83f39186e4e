//! A volume under another key: from a file, or the custodian's next one.

use std::path::Path;
use std::thread;
use std::time::Duration;

use casemate_custodian_client::{AnchorRecord, Error as Unanswered, Moved};
use casemate_request::hex;
use casemate_volume::{Error, Form, Freshness, Volume, VolumeKey};
use casemate_volume_custodian::Lent;
use casemate_volume_local::{self as local, Files, Sides};
use serde_json::{Value, json};

use crate::commands::say_progress;
use crate::lending;
use crate::report::Failure;
use crate::source::Source;

/// How often the custodian is asked for the exchange while no answer comes, and how long after the one before.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the volume anew under `next_key`, which then is its key; `freshness` where no policy says.
pub fn rekey(place: &Source, freshness: Freshness, next_key: VolumeKey) -> Result<Value, Failure> {
    let rekeyed = match place {
        Source::Files(place) => {
            let sides = Files::new(place.clone(), freshness, next_key)?;
            local::rekey(&sides, &place.folder, &mut say_progress)?
        }
        Source::Custodian { folder, lent, .. } => {
            let sides = Borrowed::new(lent, next_key);
            local::rekey(&sides, folder, &mut say_progress)?
        }
    };
    Ok(json!({
        "volume": hex(&rekeyed.volume), "snapshots": rekeyed.snapshots, "finished": rekeyed.finished,
    }))
}

/// Both keys and both anchors are the custodian's.
struct Borrowed<'l> {
    present: &'l Lent,
    next: Lent,
}

impl<'l> Borrowed<'l> {
    fn new(present: &'l Lent, key: VolumeKey) -> Self {
        let next = Lent {
            mode: present.mode,
            freshness: present.freshness,
            root: present.root,
            key,
            anchor: present.anchor.next(),
        };
        Self { present, next }
    }
}

impl Sides for Borrowed<'_> {
    fn committed(&self, folder: &Path) -> Result<Volume, local::Failure> {
        Ok(self.present.read(folder)?)
    }

    /// The custodian made another next key for this lease: what it has by now may be what somebody wants to be rid of.
    fn is_for_good(&self) -> bool {
        false
    }

    fn write_old(&self, folder: &Path) -> Result<Volume, local::Failure> {
        Ok(self.present.write(folder, &lending::waiting)?)
    }

    /// The anchor that an earlier lease had went with its next key.
    fn forget(&self, _attempted: bool) -> Result<(), local::Failure> {
        Ok(())
    }

    fn create(&self, folder: &Path, form: &Form) -> Result<(), local::Failure> {
        let made = self.next.create(folder, Some(form.capacity), Some(form.log));
        Ok(made.map(drop)?)
    }

    fn write_new(&self, folder: &Path) -> Result<Volume, local::Failure> {
        Ok(self.next.write(folder, &lending::waiting)?)
    }

    fn read_new(&self, folder: &Path) -> Result<Volume, local::Failure> {
        Ok(self.next.read(folder)?)
    }

    /// That nobody else moved the anchor since, and that it is this lease's, is for the custodian to see.
    fn commit(&self, _old: &Volume) -> Result<(), local::Failure> {
        let present = self.present.anchor.read().map_err(failed)?.record;
        let new = self.next.anchor.read().map_err(failed)?.record;
        self.exchange(&present, &new)
    }
}

impl Borrowed<'_> {
    /// Asks until there is an answer: the same wish twice is answered as the first was.
    fn exchange(&self, present: &AnchorRecord, new: &AnchorRecord) -> Result<(), local::Failure> {
        let mut tries = 1;
        loop {
            match self.present.anchor.rekey(present, new) {
                Ok(Moved::Set(_)) => return Ok(()),
                Ok(Moved::Conflict(found)) => return Err(Error::Fenced(found.record.fence).into()),
                Err(error @ Unanswered::Refused { .. }) => return Err(failed(error)),
                Err(error) if tries == TRIES => return Err(in_doubt(&error)),
                Err(_) => thread::sleep(PAUSE),
            }
            tries += 1;
        }
    }
}

fn in_doubt(error: &Unanswered) -> local::Failure {
    let known = "whether the volume has its new key is not known until the custodian answers; then run this again";
    Error::Anchor(format!("{error}; {known}")).into()
}

fn failed(error: Unanswered) -> local::Failure {
    Error::Anchor(error.to_string()).into()
}
