//! Opening a volume as its policy says; making it, where its anchor says that there never was one.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use casemate_custodian_client::{Freshness as Configured, Mode, RootKind};
use casemate_volume::anchor::{Memory, State};
use casemate_volume::host::Folder;
use casemate_volume::{Anchor, Changes, Environment, Error, Form, Freshness, ROOT, Roots, Volume, VolumeKey};

use super::anchor::CustodianAnchor;
use super::{Granted, Owner};
use crate::tell;

/// How long a start waits for the writer before.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it asks.
const PAUSE: Duration = Duration::from_secs(1);

/// The volume in `folder`.
pub fn open(granted: &Granted, folder: &str, owner: Owner) -> Result<Volume, Error> {
    let folder = Path::new(folder);
    let volume = match granted.volume.mode {
        Mode::Read => Volume::mount_for_reading(
            Environment::of_this_machine(Folder::read(folder)?, anchor(granted)),
            key(granted),
            freshness(granted),
        )?,
        Mode::Write => patiently(granted, folder, owner)?,
    };
    if volume.roots() == roots(granted) {
        Ok(volume)
    } else {
        Err(Error::Invalid)
    }
}

/// Opens for writing; waits for a writer before whose hold ends soon, as that of one that was killed.
fn patiently(granted: &Granted, folder: &Path, owner: Owner) -> Result<Volume, Error> {
    let began = Instant::now();
    let mut told = false;
    loop {
        let anchor = CustodianAnchor::new(granted.anchor.clone());
        match (write(granted, &anchor, folder, owner), anchor.held()) {
            // What it wrote meanwhile must be read anew, so everything begins again.
            (Err(Error::Anchor(_)), Some(held)) if began.elapsed() + held.wait <= PATIENCE => {
                if !told {
                    tell(&format_args!("the writer before holds a volume, waiting: {}", held.why));
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

fn write(granted: &Granted, anchor: &CustodianAnchor, folder: &Path, owner: Owner) -> Result<Volume, Error> {
    let new = is_new(granted, folder)?;
    if new {
        let host = Folder::write(folder)?;
        let form = form(granted, folder)?;
        Volume::create(
            Environment::of_this_machine(host, reached(granted, anchor)),
            key(granted),
            &form,
        )?;
    }
    let host = Folder::write(folder)?;
    let environment = Environment::of_this_machine(host, reached(granted, anchor));
    let mut volume = Volume::mount(environment, key(granted), freshness(granted))?;
    if let Some((uid, gid)) = owner.filter(|_| new) {
        let changes = Changes {
            uid: Some(uid),
            gid: Some(gid),
            ..Changes::default()
        };
        volume.set_attributes(ROOT, &changes)?;
    }
    Ok(volume)
}

/// Whether there never was a volume: the anchor's word, and without an anchor the folder's.
fn is_new(granted: &Granted, folder: &Path) -> Result<bool, Error> {
    match granted.volume.freshness {
        Configured::None => Ok(!folder.join("superblock").exists()),
        Configured::Strict | Configured::Interval(_) => Ok(anchor(granted).read()?.state == State::Uninitialised),
    }
}

fn anchor(granted: &Granted) -> Box<dyn Anchor> {
    reached(granted, &CustodianAnchor::new(granted.anchor.clone()))
}

/// What the engine asks: the custodian, or nobody where the policy wants integrity only.
fn reached(granted: &Granted, anchor: &CustodianAnchor) -> Box<dyn Anchor> {
    match granted.volume.freshness {
        Configured::None => Box::new(Memory::default()),
        Configured::Strict | Configured::Interval(_) => Box::new(anchor.clone()),
    }
}

fn form(granted: &Granted, folder: &Path) -> Result<Form, Error> {
    let room = Folder::room(folder).map_err(|error| Error::Host(format!("look at the host's space: {error}")))?;
    Ok(Form::new(roots(granted), room))
}

fn key(granted: &Granted) -> VolumeKey {
    VolumeKey::new(*granted.volume.key)
}

fn roots(granted: &Granted) -> Roots {
    match granted.volume.root {
        RootKind::Tag => Roots::Tag,
        RootKind::Hash => Roots::Hash,
    }
}

fn freshness(granted: &Granted) -> Freshness {
    match granted.volume.freshness {
        Configured::Strict => Freshness::Strict,
        Configured::Interval(_) => Freshness::Interval,
        Configured::None => Freshness::None,
    }
}
