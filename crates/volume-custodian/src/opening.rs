//! Opening a volume as its policy says; making it, where its anchor says that there never was one.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use casemate_custodian_client::{Freshness as Policy, Mode, RootKind, VolumeAnchor};
use casemate_volume::anchor::{Memory, State};
use casemate_volume::host::Folder;
use casemate_volume::{Anchor, Changes, Environment, Error, Form, Freshness, ROOT, Roots, Upkeep, Volume, VolumeKey};

use crate::anchor::CustodianAnchor;

/// How long a start waits for the writer before.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it asks.
const PAUSE: Duration = Duration::from_secs(1);

/// A volume that a custodian lent, for as long as the lease of its anchor lives.
#[derive(Debug)]
pub struct Lent {
    /// Whether it may be changed.
    pub mode: Mode,
    /// When an fsync is acknowledged.
    pub freshness: Policy,
    /// What binds its tree.
    pub root: RootKind,
    /// The key.
    pub key: VolumeKey,
    /// Where its newest state is remembered.
    pub anchor: VolumeAnchor,
}

/// How the engine mounts.
type Mount = fn(Environment, VolumeKey, Freshness) -> Result<Volume, Error>;

/// Whom a new volume belongs to: user and group.
pub type Owner = (u32, u32);

impl Lent {
    /// The volume in `folder`, as a service has it: where there never was one and it may write, it is made, for
    /// `owner`. Waits for a writer before whose hold ends soon, and tells `waits` why, once.
    ///
    /// # Errors
    /// Those of [`Volume::mount`] and [`Volume::create`]; [`Error::Invalid`] for a volume of another root.
    pub fn open(&self, folder: &Path, owner: Option<Owner>, waits: &dyn Fn(&str)) -> Result<Volume, Error> {
        match self.mode {
            Mode::Read => self.read(folder),
            Mode::Write => patiently(
                waits,
                || self.new_anchor(),
                |anchor| self.make_or_mount(anchor, folder, owner),
            ),
        }
    }

    /// The volume in `folder`, which must be there, for reading what the anchor says.
    ///
    /// # Errors
    /// Those of [`Volume::mount_for_reading`]; [`Error::Invalid`] for a volume of another root.
    pub fn read(&self, folder: &Path) -> Result<Volume, Error> {
        let environment = Environment::of_this_machine(Folder::read(folder)?, self.reached(&self.new_anchor()));
        self.checked(Volume::mount_for_reading(
            environment,
            self.key.clone(),
            self.engine_freshness(),
        )?)
    }

    /// The volume in `folder`, which must be there, for writing; waits as [`Self::open`].
    ///
    /// # Errors
    /// Those of [`Volume::mount`]; [`Error::Invalid`] for a volume of another root.
    pub fn write(&self, folder: &Path, waits: &dyn Fn(&str)) -> Result<Volume, Error> {
        patiently(waits, || self.new_anchor(), |anchor| self.mount(anchor, folder))
    }

    /// The volume in `folder`, for [`Volume::copy`] to write it; waits as [`Self::open`].
    ///
    /// # Errors
    /// Those of [`Volume::mount_for_copy`]; [`Error::Invalid`] for a volume of another root.
    pub fn write_copy(&self, folder: &Path, waits: &dyn Fn(&str)) -> Result<Volume, Error> {
        patiently(
            waits,
            || self.new_anchor(),
            |anchor| self.mount_with(anchor, folder, Volume::mount_for_copy),
        )
    }

    /// Whether there never was a volume: the anchor's word, and without an anchor the folder's.
    ///
    /// # Errors
    /// Those of the anchor.
    pub fn is_new(&self, folder: &Path) -> Result<bool, Error> {
        self.has_none(&self.new_anchor(), folder)
    }

    /// Makes the volume in `folder`, of `capacity` bytes or what the host has room for, and leaves it unmounted.
    ///
    /// # Errors
    /// Those of [`Volume::create`].
    pub fn create(&self, folder: &Path, capacity: Option<u64>, log: Option<u64>) -> Result<([u8; 16], Form), Error> {
        self.make(&self.new_anchor(), folder, capacity, log)
    }

    /// How the mount is kept up.
    #[must_use]
    pub fn upkeep(&self) -> Upkeep {
        match self.freshness {
            Policy::Interval(anchor) => Upkeep {
                anchor,
                ..Upkeep::default()
            },
            Policy::Strict | Policy::None => Upkeep::default(),
        }
    }

    fn make_or_mount(&self, anchor: &CustodianAnchor, folder: &Path, owner: Option<Owner>) -> Result<Volume, Error> {
        match self.mount(anchor, folder) {
            // Whether there never was one, or only nothing is left of it, is the anchor's word.
            Err(Error::Missing(_)) if self.has_none(anchor, folder)? => {
                self.make(anchor, folder, None, None)?;
                let mut volume = self.mount(anchor, folder)?;
                if let Some((uid, gid)) = owner {
                    let changes = Changes {
                        uid: Some(uid),
                        gid: Some(gid),
                        ..Changes::default()
                    };
                    volume.set_attributes(ROOT, &changes)?;
                }
                Ok(volume)
            }
            other => other,
        }
    }

    fn mount(&self, anchor: &CustodianAnchor, folder: &Path) -> Result<Volume, Error> {
        self.mount_with(anchor, folder, Volume::mount)
    }

    fn mount_with(&self, anchor: &CustodianAnchor, folder: &Path, mount: Mount) -> Result<Volume, Error> {
        let environment = Environment::of_this_machine(Folder::write(folder)?, self.reached(anchor));
        self.checked(mount(environment, self.key.clone(), self.engine_freshness())?)
    }

    fn make(
        &self,
        anchor: &CustodianAnchor,
        folder: &Path,
        capacity: Option<u64>,
        log: Option<u64>,
    ) -> Result<([u8; 16], Form), Error> {
        let room = |error| Error::Host(format!("look at the host's space: {error}"));
        let capacity = capacity.map_or_else(|| Folder::capacity(folder).map_err(room), Ok)?;
        let mut form = Form::new(self.roots(), capacity);
        form.log = log.unwrap_or(form.log);
        let environment = Environment::of_this_machine(Folder::write(folder)?, self.reached(anchor));
        Ok((Volume::create(environment, self.key.clone(), &form)?, form))
    }

    fn has_none(&self, anchor: &CustodianAnchor, folder: &Path) -> Result<bool, Error> {
        match self.freshness {
            Policy::None => Ok(!folder.join("superblock").exists()),
            Policy::Strict | Policy::Interval(_) => Ok(anchor.clone().read()?.state == State::Uninitialised),
        }
    }

    fn checked(&self, volume: Volume) -> Result<Volume, Error> {
        (volume.roots() == self.roots()).then_some(volume).ok_or(Error::Invalid)
    }

    fn new_anchor(&self) -> CustodianAnchor {
        CustodianAnchor::new(self.anchor.clone())
    }

    /// What the engine asks: the custodian, or nobody where integrity is enough.
    fn reached(&self, anchor: &CustodianAnchor) -> Box<dyn Anchor> {
        match self.freshness {
            Policy::None => Box::new(Memory::default()),
            Policy::Strict | Policy::Interval(_) => Box::new(anchor.clone()),
        }
    }

    fn roots(&self) -> Roots {
        match self.root {
            RootKind::Tag => Roots::Tag,
            RootKind::Hash => Roots::Hash,
        }
    }

    fn engine_freshness(&self) -> Freshness {
        match self.freshness {
            Policy::Strict => Freshness::Strict,
            Policy::Interval(_) => Freshness::Interval,
            Policy::None => Freshness::None,
        }
    }
}

/// Opens for writing; waits for a writer before whose hold ends soon, as that of one that was killed.
fn patiently(
    waits: &dyn Fn(&str),
    new_anchor: impl Fn() -> CustodianAnchor,
    open: impl Fn(&CustodianAnchor) -> Result<Volume, Error>,
) -> Result<Volume, Error> {
    let began = Instant::now();
    let mut told = false;
    loop {
        let anchor = new_anchor();
        match (open(&anchor), anchor.held()) {
            // What it wrote meanwhile must be read anew, so everything begins again.
            (Err(Error::Anchor(_)), Some(held)) if began.elapsed() + held.wait <= PATIENCE => {
                if !told {
                    waits(&held.why);
                }
                told = true;
            }
            (Err(Error::Anchor(_)), Some(held)) => return Err(Error::Anchor(held.why)),
            (Err(Error::Fenced(_)), _) if told && began.elapsed() <= PATIENCE => {}
            (other, _) => return other,
        }
        thread::sleep(PAUSE);
    }
}
