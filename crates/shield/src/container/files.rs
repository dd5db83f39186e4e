//! From the files of a protected image, and what the engine offers, to a launch bundle.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{CUSTODIAN, HOLE, mounts};
use crate::bundle::{Bundle, MAX_GENESIS_BYTES, MAX_STATEMENT_BYTES, MAX_STATEMENTS};
use crate::digests;
use crate::failure::{Exit, Failure};
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest};

/// Most bytes of custodian.json: a genesis record in base64, and room for addresses.
const MAX_CUSTODIAN_BYTES: usize = 2 * MAX_GENESIS_BYTES;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Contact {
    genesis: String,
    addresses: Vec<String>,
}

/// The bundle of the image in `folder`, with the variables that were offered.
///
/// # Errors
/// [`Exit::Bundle`].
pub fn bundle(folder: &Path, offered: impl Iterator<Item = (OsString, OsString)>) -> Result<Bundle, Failure> {
    let (addresses, holes) = sorted_out(offered)?;
    let path = folder.join("manifest.json");
    let data = read(&path, MAX_MANIFEST_BYTES)?.ok_or_else(|| refuse(&path, "is missing"))?;
    let manifest = Manifest::parse(&data).map_err(|error| Failure::new(Exit::Bundle, error))?;
    let mut form = json!({
        "casemate_launch": 1, "manifest": URL_SAFE_NO_PAD.encode(&data), "holes": holes, "sources": {},
        "mounts": places(manifest.mounts.iter().map(|mount| &mount.path), mounts::MOUNTS),
        "volumes": places(manifest.volumes.iter(), mounts::VOLUMES),
    });
    if let Some(contact) = contact(folder, addresses)? {
        form["custodian"] = json!(contact);
    }
    if let Some(image) = &manifest.image {
        form["layers"] = Value::Object(image.layers.iter().map(|root| layer(folder, root)).collect());
    }
    let statements = statements(folder)?;
    if !statements.is_empty() {
        form["statements"] = json!(statements);
    }
    Bundle::parse(form.to_string().as_bytes()).map_err(|error| Failure::new(Exit::Bundle, error))
}

type Offered = (Option<Vec<String>>, BTreeMap<String, String>);

/// Addresses of the custodian, and values of holes. No value is in a message: some are not for logs.
fn sorted_out(offered: impl Iterator<Item = (OsString, OsString)>) -> Result<Offered, Failure> {
    let (mut addresses, mut holes) = (None, BTreeMap::new());
    for (name, value) in offered {
        let name = name.to_string_lossy().into_owned();
        let value = value.into_string().map_err(|_| {
            Failure::with_its_own_cure(
                Exit::Bundle,
                format!("{name} is not UTF-8: start the container with another"),
            )
        })?;
        if name == CUSTODIAN {
            addresses = Some(value.split(',').map(str::to_owned).collect());
        } else if let Some(hole) = name.strip_prefix(HOLE) {
            holes.insert(hole.to_owned(), value);
        }
    }
    Ok((addresses, holes))
}

fn contact(folder: &Path, addresses: Option<Vec<String>>) -> Result<Option<Contact>, Failure> {
    let path = folder.join("custodian.json");
    let Some(data) = read(&path, MAX_CUSTODIAN_BYTES)? else {
        return Ok(None); // a custodian has none; that a workload needs one is the bundle's rule
    };
    let mut contact: Contact = serde_json::from_slice(&data).map_err(|error| refuse(&path, &error.to_string()))?;
    if let Some(addresses) = addresses {
        contact.addresses = addresses;
    }
    if contact.addresses.is_empty() {
        return Err(Failure::with_its_own_cure(
            Exit::Bundle,
            format!("the image does not say where its custodian is: start it with --env {CUSTODIAN}=http://IP:PORT"),
        ));
    }
    Ok(Some(contact))
}

/// Release statements, handed on unchanged, in the order of their names.
fn statements(folder: &Path) -> Result<Vec<String>, Failure> {
    let path = folder.join("statements");
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| refuse(&path, &error.to_string()))?,
    };
    let found = entries.take(MAX_STATEMENTS + 1).collect::<Result<Vec<_>, _>>();
    let mut paths: Vec<_> = found
        .map_err(|error| refuse(&path, &error.to_string()))?
        .iter()
        .map(fs::DirEntry::path)
        .collect();
    if paths.len() > MAX_STATEMENTS {
        return Err(refuse(&path, "has more than 8 entries"));
    }
    paths.sort();
    let read_one = |path: &std::path::PathBuf| {
        let data = read(path, MAX_STATEMENT_BYTES)?.ok_or_else(|| refuse(path, "is missing"))?;
        Ok(URL_SAFE_NO_PAD.encode(data))
    };
    paths.iter().map(read_one).collect()
}

fn layer(folder: &Path, root: &[u8; 32]) -> (String, Value) {
    let name = digests::text(root);
    let file = folder.join("layers").join(name.trim_start_matches("sha256:"));
    (name, json!(file.to_string_lossy()))
}

fn places<'a>(paths: impl Iterator<Item = &'a String>, below: &str) -> Value {
    let folder = |path: &String| (path.clone(), json!(format!("{below}{path}")));
    Value::Object(paths.map(folder).collect::<Map<_, _>>())
}

/// A regular file of at most that many bytes; `None` where there is nothing. Links are not followed: there are none.
fn read(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, Failure> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match openat(CWD, path, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        opened => File::from(opened.map_err(|error| refuse(path, &error.to_string()))?),
    };
    if !file.metadata().is_ok_and(|status| status.is_file()) {
        return Err(refuse(path, "is no regular file"));
    }
    let mut data = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut data)
        .map_err(|error| refuse(path, &error.to_string()))?;
    if data.len() > limit {
        return Err(refuse(path, "is too long"));
    }
    Ok(Some(data))
}

fn refuse(path: &Path, why: &str) -> Failure {
    let path = path.display();
    Failure::with_its_own_cure(
        Exit::Bundle,
        format!("{path} {why}: make the image anew with `casemate image protect`"),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use sha2::{Digest, Sha256};
    use tempfile::TempDir;

    use super::*;

    fn image(changes: impl FnOnce(&mut Value)) -> TempDir {
        let digest = |data: &[u8]| digests::text(&Sha256::digest(data).into());
        let mut manifest = json!({
            "casemate_manifest": 1, "role": "workload", "custodian": digest(b"genesis"),
            "policy": {"name": "a/b", "genesis": digest(b""), "service": "s"},
            "root": [{"path": "/x", "type": "file", "digest": digest(b""), "size": 0, "mode": "0755"}],
            "writable": [], "mounts": [{"path": "/data", "access": "read"}], "volumes": [{"path": "/sealed"}],
            "files": [], "entrypoint": ["/x"], "arguments": ["{{ hole.port }}"], "environment": {},
            "holes": {"port": {"pattern": "[0-9]+", "from": "host"}}, "working_directory": "/"});
        changes(&mut manifest);
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("manifest.json"), manifest.to_string()).expect("manifest");
        let contact = json!({"genesis": URL_SAFE_NO_PAD.encode("genesis"), "addresses": ["http://10.0.0.1:7700"]});
        fs::write(folder.path().join("custodian.json"), contact.to_string()).expect("custodian");
        folder
    }

    fn read_with(folder: &TempDir, offered: &[(&str, &str)]) -> Result<Bundle, Failure> {
        let offered = offered.iter().map(|(name, value)| (name.into(), value.into()));
        bundle(folder.path(), offered)
    }

    const PORT: (&str, &str) = ("CASEMATE_HOLE_port", "80");

    #[test]
    fn an_image_and_what_the_engine_offers_give_a_bundle() {
        let bundle = read_with(&image(|_| ()), &[PORT]).expect("good");
        assert_eq!(bundle.custodian.expect("there").addresses, ["http://10.0.0.1:7700"]);
        assert_eq!(bundle.holes["port"].as_str(), "80");
        assert_eq!(bundle.mounts["/data"], "/casemate/mounts/data");
        assert_eq!(bundle.volumes["/sealed"], "/casemate/volumes/sealed");
    }

    #[test]
    fn the_engine_may_say_where_the_custodian_is_and_not_who() {
        let addresses = ("CASEMATE_CUSTODIAN", "http://10.0.0.2:1,http://[::1]:2");
        let bundle = read_with(&image(|_| ()), &[PORT, addresses]).expect("good");
        let contact = bundle.custodian.expect("there");
        assert_eq!(contact.addresses, ["http://10.0.0.2:1", "http://[::1]:2"]);
        assert_eq!(contact.genesis, b"genesis");
    }

    #[test]
    fn holes_that_the_manifest_does_not_leave_to_the_host_are_refused() {
        let failure = read_with(&image(|_| ()), &[PORT, ("CASEMATE_HOLE_shell", "x")]).expect_err("unknown hole");
        assert!(failure.cause.contains("\"shell\" is not in the manifest"), "{failure}");
        let failure = read_with(&image(|_| ()), &[("CASEMATE_HOLE_port", "hunter2")]).expect_err("pattern");
        assert!(
            failure.cause.contains("its pattern refuses") && !failure.cause.contains("hunter2"),
            "{failure}"
        );
    }

    #[test]
    fn what_is_missing_or_odd_is_named() {
        type Change = fn(&Path);
        let cases: [(&str, Change, &str); 7] = [
            (
                "manifest.json",
                |path| fs::remove_file(path).expect("removed"),
                "is missing",
            ),
            (
                "manifest.json",
                |path| fs::write(path, vec![b' '; MAX_MANIFEST_BYTES + 1]).expect("written"),
                "is too long",
            ),
            (
                "custodian.json",
                |path| fs::remove_file(path).expect("removed"),
                "a workload needs one",
            ),
            (
                "custodian.json",
                |path| fs::write(path, r#"{"genesis":"","addresses":[],"more":1}"#).expect("written"),
                "unknown field",
            ),
            (
                "custodian.json",
                |path| fs::write(path, r#"{"genesis":"Z2VuZXNpcw","addresses":[]}"#).expect("written"),
                "--env CASEMATE_CUSTODIAN",
            ),
            (
                "custodian.json",
                |path| {
                    fs::remove_file(path).expect("removed");
                    fs::create_dir(path).expect("made");
                },
                "is no regular file",
            ),
            (
                "custodian.json",
                |path| {
                    fs::remove_file(path).expect("removed");
                    symlink("manifest.json", path).expect("made");
                },
                "symbolic link",
            ),
        ];
        for (name, change, reason) in cases {
            let folder = image(|_| ());
            change(&folder.path().join(name));
            let failure = read_with(&folder, &[PORT]).expect_err(reason);
            assert!(failure.cause.contains(reason), "{failure} does not say {reason}");
            assert_eq!(failure.exit as i32, Exit::Bundle as i32);
        }
    }

    #[test]
    fn statements_have_limits() {
        let folder = image(|_| ());
        let statements = folder.path().join("statements");
        fs::create_dir(&statements).expect("folder");
        for number in 0..=MAX_STATEMENTS {
            fs::write(statements.join(format!("{number}.json")), "{}").expect("statement");
        }
        assert!(
            super::statements(folder.path())
                .expect_err("nine")
                .cause
                .contains("more than 8")
        );
        fs::remove_file(statements.join("0.json")).expect("removed");
        assert_eq!(
            super::statements(folder.path()).expect("eight"),
            vec![URL_SAFE_NO_PAD.encode("{}"); 8]
        );
        fs::write(statements.join("1.json"), vec![b' '; MAX_STATEMENT_BYTES + 1]).expect("written");
        assert!(
            super::statements(folder.path())
                .expect_err("long")
                .cause
                .contains("is too long")
        );
    }
}
