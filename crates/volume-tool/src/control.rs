//! What the process that serves a mount is asked meanwhile: a socket beside the mount's state file, in a folder of its
//! owner's alone. One request a connection, a line of JSON; the answer is another.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use casemate_request::ended;
use casemate_volume::Shared;
use rustix::fs::{Mode, OFlags, open, syncfs};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::Failure;
use crate::snapshots;

/// Most bytes of a request: a name of 255 bytes, each of them escaped, and some.
const REQUEST: u64 = 4096;
/// How long somebody may take to send a request, so that nobody keeps others waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be asked for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Keeps the volume as it is under a name.
    Create { name: String },
    /// All snapshots.
    List,
    /// Deletes one.
    Delete { name: String },
}

/// A socket that goes when this is dropped.
pub struct Control(PathBuf);

/// Removes the socket of a mount that is gone.
pub fn forget(state: &Path) {
    let _ = fs::remove_file(state.with_extension("control"));
}

impl Control {
    /// Answers until the process ends. Whoever holds the state file's lock calls it: what an earlier one left goes.
    pub fn start(volume: Arc<Shared>, state: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::host("make the mount's control socket", &error);
        let folder = state.parent().unwrap_or(Path::new("/"));
        let metadata = fs::metadata(folder).map_err(failed)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
            let message = format!("{} is open to others: chmod 700 it", folder.display());
            return Err(Failure::usage(message));
        }
        let path = state.with_extension("control");
        let _ = fs::remove_file(&path);
        let listener = at(&path, |short| UnixListener::bind(short))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let serve = move || listener.incoming().flatten().for_each(|asking| answer(&volume, asking));
        thread::Builder::new()
            .name("control".into())
            .spawn(serve)
            .map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn answer(volume: &Shared, mut asking: UnixStream) {
    let outcome = read(&asking).and_then(|action| act(volume, &action));
    // Whoever asked may be gone; what was done is done.
    let _ = writeln!(asking, "{}", ended(&outcome));
}

fn read(asking: &UnixStream) -> Result<Action, Failure> {
    let malformed = |error: &dyn std::fmt::Display| Failure::usage(format!("the request is malformed: {error}"));
    let timed = asking
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| asking.set_write_timeout(Some(PATIENCE)));
    timed.map_err(|error| malformed(&error))?;
    let mut line = String::new();
    let got = BufReader::new(asking.take(REQUEST)).read_line(&mut line);
    got.map_err(|error| malformed(&error))?;
    serde_json::from_str(&line).map_err(|error| malformed(&error))
}

fn act(volume: &Shared, action: &Action) -> Result<Value, Failure> {
    if !matches!(action, Action::List) && !volume.is_read_only() {
        // While others go on: the checkpoint under the lock is then a small one.
        volume.sync()?;
    }
    volume
        .with(|volume| {
            Ok(match action {
                Action::Create { name } => snapshots::create_in(volume, name),
                Action::List => snapshots::list_of(volume),
                Action::Delete { name } => snapshots::delete_in(volume, name),
            })
        })
        .map_err(Failure::from)?
}

/// Asks the process that serves a mount. A snapshot has what programs wrote before: it need not be fsynced.
pub fn ask(mountpoint: &Path, state: &Path, action: &Action) -> Result<Value, Failure> {
    let gone = |error: &std::io::Error| Failure {
        code: "ended",
        message: format!("the process that serves the mount does not answer: {error}; unmount, and mount again"),
    };
    if matches!(action, Action::Create { .. }) {
        let written = open(
            mountpoint,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .and_then(syncfs);
        written.map_err(|error| gone(&error.into()))?;
    }
    let mut asking = at(&state.with_extension("control"), |short| UnixStream::connect(short))
        .map_err(|failure| gone(&std::io::Error::other(failure.message)))?;
    let line = serde_json::to_string(action).map_err(|error| Failure::usage(error.to_string()))?;
    let mut answer = String::new();
    let asked = writeln!(asking, "{line}").and_then(|()| asking.read_to_string(&mut answer));
    asked.map_err(|error| gone(&error))?;
    let said: Value = serde_json::from_str(&answer).unwrap_or_default();
    match (said.get("result"), said.get("error")) {
        (Some(result), _) => Ok(result.clone()),
        (None, Some(error)) => Err(refused(error)),
        (None, None) => Err(gone(&std::io::ErrorKind::UnexpectedEof.into())),
    }
}

fn refused(error: &Value) -> Failure {
    let known = ["usage", "no-space", "anchor", "fenced", "tampered"];
    let code = known.into_iter().find(|code| error["code"] == *code);
    Failure {
        code: code.unwrap_or("host"),
        message: error["message"].as_str().unwrap_or("it failed").to_owned(),
    }
}

/// Does something with a socket's path, which has room for 107 bytes: through its folder's descriptor, any fits.
fn at<T>(path: &Path, action: impl FnOnce(&Path) -> std::io::Result<T>) -> Result<T, Failure> {
    let failed = |error: &std::io::Error| Failure::host("reach the mount's control socket", error);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder = fs::File::open(folder).map_err(|error| failed(&error))?;
    let name = path.file_name().unwrap_or_default();
    let short = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    action(&short).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

    use super::*;
    use casemate_volume::anchor::Durability;
    use casemate_volume::{Freshness, Roots, VolumeKey};
    use casemate_volume_local::{AnchorFile, Place};

    fn volume(folder: &Path) -> Arc<Shared> {
        let place = Place {
            folder: folder.join("V"),
            key: VolumeKey::new([4; 32]),
            anchor: Some(AnchorFile {
                file: folder.join("A"),
                durability: Durability::Lazy,
            }),
            keeps_reads: false,
        };
        place.clone().create(Roots::Tag, Some(4 << 20), None).unwrap();
        let volume = place.write(Freshness::Strict).unwrap();
        Arc::new(Shared::new(volume, Box::new(|_| {})))
    }

    fn folder(mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        folder
    }

    fn say(state: &Path, line: &str) -> String {
        let mut asking = at(&state.with_extension("control"), |short| UnixStream::connect(short)).unwrap();
        writeln!(asking, "{line}").unwrap();
        let mut answer = String::new();
        asking.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_folder_that_is_open_to_others_is_refused() {
        for mode in [0o701, 0o710, 0o755] {
            let folder = folder(mode);
            let refused = Control::start(volume(folder.path()), &folder.path().join("x.state"));
            assert!(refused.is_err_and(|failure| failure.message.contains("chmod 700")));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_the_next_is_served() {
        let folder = folder(0o700);
        let deep = folder.path().join("d".repeat(150));
        fs::DirBuilder::new().create(&deep).unwrap();
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o700)).unwrap();
        let state = deep.join("x.state");
        let control = Control::start(volume(folder.path()), &state).unwrap();
        let long = format!("{{\"action\":\"create\",\"name\":\"{}\"}}", "x".repeat(5000));
        for line in [
            "",
            "{}",
            "{\"action\":\"unmount\"}",
            "{\"action\":\"create\",\"name\":\"s\",\"more\":1}",
        ] {
            let answer = say(&state, line);
            assert!(answer.contains("the request is malformed"), "{answer}");
        }
        // Too long: the connection ends, with or without a word.
        let mut asking = at(&state.with_extension("control"), |short| UnixStream::connect(short)).unwrap();
        let _ = writeln!(asking, "{long}");
        assert!(say(&state, "{\"action\":\"create\",\"name\":\"s\"}").contains("generation"));
        assert!(say(&state, "{\"action\":\"list\"}").contains("\"name\":\"s\""));
        drop(control);
        assert!(!state.with_extension("control").exists());
    }
}
