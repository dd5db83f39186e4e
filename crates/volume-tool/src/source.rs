//! Where a volume's key and anchor come from: files of this machine, or a custodian that lent them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use casemate_custodian_client::Freshness as Policy;
use casemate_volume::host::interrupted_rekey;
use casemate_volume::{Error, Form, Freshness, Roots, Upkeep, Volume};
use casemate_volume_custodian::Lent;

use crate::lending::{self, Lease};
use crate::report::Failure;
use crate::request::{FreshnessName, Loan, Place};

/// A volume's place, ready to be opened.
pub enum Source {
    /// Key and anchor are in files.
    Files(casemate_volume_local::Place),
    /// Key and anchor are a custodian's.
    Custodian { folder: PathBuf, lent: Lent, lease: Lease },
}

impl Source {
    /// Of a request. A lease is renewed from here on.
    pub fn of(place: Place) -> Result<Self, Failure> {
        let key = place.key;
        match place.lent {
            None => Ok(Self::Files(casemate_volume_local::Place {
                folder: place.folder,
                key,
                anchor: place.anchor.map(|anchor| casemate_volume_local::AnchorFile {
                    file: anchor.file,
                    durability: anchor.durability,
                }),
                // The kernel keeps what a mount read, and everything else reads once.
                keeps_reads: false,
            })),
            Some(_) if place.anchor.is_some() => Err(Failure::usage("two anchors for one volume".into())),
            Some(loan) => {
                let freshness = policy(&loan)?;
                let (anchor, lease) = lending::keep(&loan)?;
                let lent = Lent {
                    mode: loan.mode,
                    freshness,
                    root: loan.root,
                    key,
                    anchor,
                };
                Ok(Self::Custodian {
                    folder: place.folder,
                    lent,
                    lease,
                })
            }
        }
    }

    /// Makes the volume; `roots` where no policy says.
    pub fn create(&self, roots: Roots, capacity: Option<u64>, log: Option<u64>) -> Result<([u8; 16], Form), Failure> {
        match self {
            Self::Files(place) => {
                let made = place.clone().create(roots, capacity, log)?;
                Ok((made.volume, made.form))
            }
            Self::Custodian { folder, lent, .. } => {
                fs::create_dir_all(folder).map_err(|error| Failure::host("make the volume's folder", &error))?;
                Ok(lent.create(folder, capacity, log)?)
            }
        }
    }

    /// For writing; `freshness` where no policy says.
    pub fn write(&self, freshness: Freshness) -> Result<Volume, Failure> {
        match self {
            Self::Files(place) => Ok(place.write(freshness)?),
            Self::Custodian { folder, lent, .. } => {
                let opened = lent.write(folder, &lending::waiting);
                opened.map_err(|error| not_opened(folder, error))
            }
        }
    }

    /// For a copy to be written there.
    pub fn write_copy(&self) -> Result<Volume, Failure> {
        match self {
            Self::Files(place) => Ok(place.write_copy(Freshness::Strict)?),
            Self::Custodian { folder, lent, .. } => Ok(lent.write_copy(folder, &lending::waiting)?),
        }
    }

    /// Whether there never was a volume.
    pub fn is_new(&self) -> Result<bool, Failure> {
        match self {
            Self::Files(place) => Ok(place.is_new()?),
            Self::Custodian { folder, lent, .. } => Ok(lent.is_new(folder)?),
        }
    }

    /// For reading; `freshness` where no policy says.
    pub fn read(&self, freshness: Freshness) -> Result<Volume, Failure> {
        match self {
            Self::Files(place) => Ok(place.read(freshness)?),
            Self::Custodian { folder, lent, .. } => lent.read(folder).map_err(|error| not_opened(folder, error)),
        }
    }

    /// How a mount is kept up.
    pub fn upkeep(&self) -> Upkeep {
        match self {
            Self::Files(_) => Upkeep::default(),
            Self::Custodian { lent, .. } => lent.upkeep(),
        }
    }

    /// What is done should the lease end early.
    pub fn at_the_end(&self, last: impl FnOnce(&Failure) + Send + 'static) {
        if let Self::Custodian { lease, .. } = self {
            lease.at_the_end(Box::new(last));
        }
    }

    /// Gives up what a custodian lent, so that others need not wait for the lease's end. Where this fails, they do.
    pub fn give_back(&self) {
        if let Self::Custodian { lent, lease, .. } = self {
            lease.is_done();
            let _ = lent.anchor.release();
        }
    }
}

/// Says besides what to do where rekeying was interrupted.
fn not_opened(folder: &Path, error: Error) -> Failure {
    let cure = interrupted_rekey(folder, &error);
    let failure = Failure::from(error);
    match cure {
        Some(cure) => Failure {
            message: format!("{}; {cure}", failure.message),
            ..failure
        },
        None => failure,
    }
}

fn policy(loan: &Loan) -> Result<Policy, Failure> {
    match (loan.freshness, loan.interval_ms) {
        (FreshnessName::Strict, None) => Ok(Policy::Strict),
        (FreshnessName::None, None) => Ok(Policy::None),
        (FreshnessName::Interval, Some(length)) => Ok(Policy::Interval(Duration::from_millis(length))),
        _ => Err(Failure::usage("an interval belongs to freshness: interval".into())),
    }
}
