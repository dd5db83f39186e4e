//! Rules of spec/manifest.md that concern several fields.

use std::collections::{BTreeSet, HashSet};

use super::error::{ManifestError, excerpt};
use super::path::{self, is_below, parents};
use super::{Manifest, Role, RootKind};
use crate::holes;

/// Most layers of an image, as many as container engines take.
const MAX_LAYERS: usize = 128;

/// Checks everything that a single field cannot know.
pub(super) fn check(manifest: &Manifest) -> Result<(), ManifestError> {
    counts(manifest)?;
    role(manifest)?;
    image(manifest)?;
    texts(manifest)?;
    order(manifest)?;
    tree(manifest)?;
    program(manifest, "entrypoint", &manifest.entrypoint[0])?;
    health(manifest)?;
    filling(manifest)
}

fn counts(manifest: &Manifest) -> Result<(), ManifestError> {
    let limits = [
        ("root", manifest.root.len(), 0, 100_000),
        ("writable", manifest.writable.len(), 0, 64),
        ("mounts", manifest.mounts.len(), 0, 16),
        ("volumes", manifest.volumes.len(), 0, 16),
        ("files", manifest.files.len(), 0, 64),
        ("entrypoint", manifest.entrypoint.len(), 1, 64),
        ("arguments", manifest.arguments.len(), 0, 1024),
        ("environment", manifest.environment.len(), 0, 1024),
        ("holes", manifest.holes.len(), 0, 64),
    ];
    match limits
        .into_iter()
        .find(|(_, got, min, max)| !(min..=max).contains(&got))
    {
        Some((field, got, min, max)) => Err(ManifestError::Count { field, got, min, max }),
        None => Ok(()),
    }
}

fn role(manifest: &Manifest) -> Result<(), ManifestError> {
    match (manifest.role, &manifest.custodian, &manifest.policy, manifest.user) {
        (Role::Workload, Some(_), Some((policy, _)), _) => policy_names(&policy.name, &policy.service),
        (Role::Workload, ..) => Err(ManifestError::Role("a workload names its custodian and its policy")),
        (Role::Custodian, None, None, Some(_)) if !manifest.volumes.is_empty() => Err(ManifestError::Role(
            "a custodian has no volumes: nobody releases their keys to it",
        )),
        (Role::Custodian, None, None, Some(_)) if manifest.image.is_some() || !manifest.capabilities.is_empty() => Err(
            ManifestError::Role("a custodian has no image and no capabilities: its root is a list of files"),
        ),
        (Role::Custodian, None, None, Some(_)) if manifest.ra_tls.is_some() => Err(ManifestError::Role(
            "a custodian's certificate is not its shield's: it makes one itself",
        )),
        (Role::Custodian, None, None, Some(_)) => Ok(()),
        (Role::Custodian, ..) => Err(ManifestError::Role(
            "a custodian names no custodian and no policy, and says its user",
        )),
    }
}

fn image(manifest: &Manifest) -> Result<(), ManifestError> {
    if !manifest.capabilities.is_sorted_by(|a, b| a < b) {
        return Err(ManifestError::Image(
            "capabilities are not sorted, or one is there twice",
        ));
    }
    let Some(image) = &manifest.image else { return Ok(()) };
    if !(1..=MAX_LAYERS).contains(&image.layers.len()) {
        return Err(ManifestError::Count {
            field: "image.layers",
            got: image.layers.len(),
            min: 1,
            max: MAX_LAYERS,
        });
    }
    if !manifest.root.is_empty() {
        return Err(ManifestError::Image("the layers of image are the whole root"));
    }
    let different: HashSet<&[u8; 32]> = image.layers.iter().collect();
    if different.len() < image.layers.len() {
        return Err(ManifestError::Image("image has a layer twice"));
    }
    Ok(())
}

fn policy_names(policy: &str, service: &str) -> Result<(), ManifestError> {
    if !policy
        .split_once('/')
        .is_some_and(|(space, name)| is_name(space, "-") && is_name(name, "-"))
    {
        return Err(value(
            "policy.name",
            policy,
            "two names of lower-case letters, digits and - with a / between",
        ));
    }
    if !is_name(service, "_-") {
        return Err(value(
            "policy.service",
            service,
            "a name of lower-case letters, digits, _ and -",
        ));
    }
    Ok(())
}

fn is_name(text: &str, also: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(plain) && text.len() <= 63 && text.chars().all(|c| plain(c) || also.contains(c))
}

fn texts(manifest: &Manifest) -> Result<(), ManifestError> {
    for name in manifest.environment.keys() {
        if !holes::is_identifier(name, 128) {
            return Err(value(
                "environment",
                name,
                "a name of letters, digits and _ of at most 128 characters",
            ));
        }
    }
    let texts = manifest
        .entrypoint
        .iter()
        .chain(&manifest.arguments)
        .chain(manifest.environment.values());
    for text in texts {
        if text.contains('\0') {
            return Err(value("entrypoint, arguments, environment", text, "free of NUL"));
        }
    }
    path::check_folder("working_directory", &manifest.working_directory)
}

fn order(manifest: &Manifest) -> Result<(), ManifestError> {
    sorted("root", manifest.root.iter().map(|e| e.path.as_str()))?;
    sorted("writable", manifest.writable.iter().map(|w| w.path.as_str()))?;
    sorted("mounts", manifest.mounts.iter().map(|m| m.path.as_str()))?;
    sorted("volumes", manifest.volumes.iter().map(String::as_str))?;
    sorted("ra_tls", manifest.ra_tls.iter().map(|r| r.path.as_str()))?;
    sorted("files", manifest.files.iter().map(String::as_str))
}

fn sorted<'a>(field: &'static str, paths: impl Iterator<Item = &'a str>) -> Result<(), ManifestError> {
    let mut last = "";
    for current in paths {
        path::check(field, current)?;
        if current <= last {
            return Err(ManifestError::Unsorted {
                field,
                path: excerpt(current),
            });
        }
        last = current;
    }
    Ok(())
}

fn tree(manifest: &Manifest) -> Result<(), ManifestError> {
    let is_leaf = |kind: &RootKind| !matches!(kind, RootKind::Directory { .. });
    let root: HashSet<&str> = manifest.root.iter().map(|e| e.path.as_str()).collect();
    let leaves: HashSet<&str> = manifest
        .root
        .iter()
        .filter(|e| is_leaf(&e.kind))
        .map(|e| e.path.as_str())
        .collect();
    for entry in &manifest.root {
        if parents(&entry.path).any(|parent| leaves.contains(parent)) {
            return Err(refuse("root", &entry.path, "below a file or a symbolic link"));
        }
    }
    let covers = covers(manifest, &root, &leaves)?;
    let folders: HashSet<&str> = root.iter().chain(&covers).flat_map(|path| parents(path)).collect();
    for (index, file) in manifest.files.iter().enumerate() {
        if !is_below(file, "/run")
            || root.contains(file.as_str())
            || covers.iter().any(|c| c == file || is_below(file, c))
        {
            return Err(refuse(
                "files",
                file,
                "not below /run, or an entry of root, or in a writable, mount, volume or ra_tls",
            ));
        }
        if folders.contains(file.as_str()) {
            return Err(refuse("files", file, "a folder of something else"));
        }
        if parents(file).any(|p| leaves.contains(p) || manifest.files[..index].iter().any(|other| other == p)) {
            return Err(refuse("files", file, "below a file or a symbolic link"));
        }
    }
    Ok(())
}

/// Paths of writables, mounts, volumes and the certificate: apart from each other, below no leaf of root, hiding nothing of it.
fn covers<'a>(
    manifest: &'a Manifest,
    root: &HashSet<&str>,
    leaves: &HashSet<&str>,
) -> Result<BTreeSet<&'a str>, ManifestError> {
    let mut covers = BTreeSet::new();
    let hidden: HashSet<&str> = root.iter().flat_map(|path| parents(path)).collect();
    let paths = manifest
        .writable
        .iter()
        .map(|w| &w.path)
        .chain(manifest.mounts.iter().map(|m| &m.path))
        .chain(&manifest.volumes)
        .chain(manifest.ra_tls.iter().map(|r| &r.path));
    for path in paths {
        if leaves.contains(path.as_str()) || parents(path).any(|parent| leaves.contains(parent)) {
            return Err(refuse(
                "writable, mounts, volumes and ra_tls",
                path,
                "on or below a file or a symbolic link of root",
            ));
        }
        if hidden.contains(path.as_str()) {
            return Err(refuse(
                "writable, mounts, volumes and ra_tls",
                path,
                "above entries of root, which it would hide",
            ));
        }
        if !covers.insert(path.as_str()) {
            return Err(refuse("writable, mounts, volumes and ra_tls", path, "there twice"));
        }
    }
    match covers
        .iter()
        .find(|path| parents(path).any(|parent| covers.contains(parent)))
    {
        Some(path) => Err(refuse(
            "writable, mounts, volumes and ra_tls",
            path,
            "inside another one",
        )),
        None => Ok(covers),
    }
}

fn program(manifest: &Manifest, field: &'static str, program: &str) -> Result<(), ManifestError> {
    if manifest.image.is_some() {
        // What the layers hold is known to whoever opens them.
        return path::check(field, program);
    }
    let found = manifest.root.binary_search_by(|entry| entry.path.as_str().cmp(program));
    match found.map(|at| &manifest.root[at].kind) {
        Ok(RootKind::File { .. } | RootKind::Symlink { .. }) => Ok(()),
        _ => Err(ManifestError::NoProgram {
            field,
            program: excerpt(program),
        }),
    }
}

fn health(manifest: &Manifest) -> Result<(), ManifestError> {
    const FIELD: &str = "health.command";
    let Some(health) = &manifest.health else { return Ok(()) };
    if manifest.role == Role::Custodian {
        return Err(ManifestError::Role(
            "a custodian has no health check: it answers over the network whether it is ready",
        ));
    }
    let got = health.command.len();
    if !(1..=64).contains(&got) {
        return Err(ManifestError::Count {
            field: FIELD,
            got,
            min: 1,
            max: 64,
        });
    }
    if let Some(text) = health.command.iter().find(|text| text.contains('\0')) {
        return Err(value(FIELD, text, "free of NUL"));
    }
    if health.command.iter().any(|part| part.contains("{{")) {
        return Err(ManifestError::Hole {
            name: FIELD.to_owned(),
            why: "has no holes",
        });
    }
    program(manifest, FIELD, &health.command[0])
}

fn filling(manifest: &Manifest) -> Result<(), ManifestError> {
    let refuse = |name: &str, why| {
        Err(ManifestError::Hole {
            name: excerpt(name),
            why,
        })
    };
    for (name, hole) in &manifest.holes {
        if !holes::is_identifier(name, holes::MAX_NAME) {
            return refuse(name, "is not a name of letters, digits and _ of at most 64 characters");
        }
        if let Err(why) = holes::Pattern::new(&hole.pattern) {
            return refuse(name, why);
        }
    }
    if manifest.entrypoint.iter().any(|part| part.contains("{{")) {
        return refuse("entrypoint", "has no holes");
    }
    let mut used = BTreeSet::new();
    for text in manifest.arguments.iter().chain(manifest.environment.values()) {
        match holes::names(text) {
            Ok(names) => used.extend(names),
            Err(why) => return refuse(text, why),
        }
    }
    if let Some(name) = manifest
        .environment
        .iter()
        .find(|(n, v)| v.contains("{{") && holes::is_loader_variable(n))
    {
        return refuse(
            name.0,
            "steers a loader or an interpreter and is never filled from a hole",
        );
    }
    if let Some(name) = used.iter().find(|name| !manifest.holes.contains_key(**name)) {
        return refuse(name, "is used but not declared");
    }
    match manifest.holes.keys().find(|name| !used.contains(name.as_str())) {
        Some(name) => refuse(name, "is declared but not used"),
        None => Ok(()),
    }
}

fn refuse(field: &'static str, path: &str, why: &'static str) -> ManifestError {
    ManifestError::Path {
        field,
        path: excerpt(path),
        why,
    }
}

fn value(field: &'static str, got: &str, expected: &'static str) -> ManifestError {
    ManifestError::Value {
        field,
        got: excerpt(got),
        expected,
    }
}
