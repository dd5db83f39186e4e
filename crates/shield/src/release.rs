//! Getting the workload's configuration: from the custodian, or, for a custodian, from nobody.

use std::collections::BTreeSet;
use std::ffi::CString;

use casemate_custodian_client::{Configuration, ConfiguredVolume, Custodian, Lease};
use casemate_evidence::{Platform, Purpose, report_data};
use casemate_image::sealed::ImageKey;
use casemate_volume::VolumeKey;
use casemate_volume_custodian::Lent;
use zeroize::Zeroizing;

use crate::bundle::{Bundle, fill};
use crate::certificate::{Certified, Holder, Time};
use crate::digests;
use crate::failure::{Exit, Failure};
use crate::handover::Start;
use crate::holes::{Values, render};
use crate::manifest::{Filler, Manifest, Protection, User};
use crate::measured::Measured;
use crate::output::{Granted as GrantedOutput, Service};
use crate::root::PlacedFile;
use crate::volumes::Granted as GrantedVolume;

/// Content of the variable that tells a custodian where its platform channel is.
const CHANNEL_VARIABLE: &str = "CASEMATE_PLATFORM_FD=3";

/// Attests and receives the configuration; what the workload is started with, and the lease under which it runs.
///
/// # Errors
/// [`Exit::Measurement`], [`Exit::Platform`], [`Exit::Refused`], [`Exit::Unreachable`] or [`Exit::NotGenuine`].
pub fn obtain<P>(mut platform: Measured<P>, bundle: &Bundle) -> Result<(Granted, Lease), Failure>
where
    P: Platform + Send + 'static,
{
    let manifest = &bundle.manifest;
    let (Some(contact), Some(identity), Some((binding, genesis))) =
        (&bundle.custodian, manifest.custodian, &manifest.policy)
    else {
        return Err(Failure::new(Exit::Bundle, "a workload's bundle without a custodian"));
    };
    let custodian = Custodian::pinned(&contact.genesis, &identity, &contact.addresses).map_err(of_client)?;
    let released = custodian.attest(
        &mut platform,
        &bundle.manifest_bytes,
        &manifest.digest,
        genesis,
        &bundle.statements,
    );
    // The report of another domain is the graver finding, whatever the client made of it.
    platform.verdict()?;
    let mut release = released.map_err(of_client)?;
    let time = Time::heard(release.time);
    let volumes = volumes(
        manifest,
        std::mem::take(&mut release.configuration.volumes),
        &release.lease,
    )?;
    let image_key = image_key(manifest, release.configuration.image_key.take())?;
    let output = release.configuration.output_key.take().map(|key| GrantedOutput {
        key,
        service: Service {
            genesis: *genesis,
            name: binding.service.clone(),
        },
        decision: release.decision,
        manifest: digests::text(&manifest.digest),
    });
    let mut start = configure(bundle, release.configuration)?;
    start.sealed_output = output.is_some();
    let certificate = match &manifest.ra_tls {
        // Nobody asks it again.
        None => None,
        Some(place) => {
            let holder = Holder {
                custodian: identity,
                manifest: manifest.digest,
                keys: release.keys,
            };
            let (pair, certified) = Certified::first(Box::new(platform), holder, time, place.lifetime)?;
            start.certificate = Some(pair);
            Some(certified)
        }
    };
    let granted = Granted {
        start,
        volumes,
        image_key,
        output,
        certificate,
    };
    Ok((granted, release.lease))
}

/// What a custodian gave to a workload.
pub struct Granted {
    /// What it is started with.
    pub start: Start,
    /// What is mounted for it.
    pub volumes: Vec<GrantedVolume>,
    /// Opens the layers of its image, where they are encrypted.
    pub image_key: Option<ImageKey>,
    /// Seals what it writes, where the policy says so.
    pub output: Option<GrantedOutput>,
    /// Its certificate, where the manifest has a place for one, and what makes the next.
    pub certificate: Option<Certified>,
}

/// There is a key exactly where the manifest says that there is one.
fn image_key(manifest: &Manifest, released: Option<Zeroizing<[u8; 32]>>) -> Result<Option<ImageKey>, Failure> {
    let image = manifest.image.as_ref();
    let is_encrypted = image.is_some_and(|image| image.protection == Protection::Encrypted);
    let what = match (is_encrypted, &released) {
        (true, None) => "no key for an encrypted image",
        (false, Some(_)) => "a key for an image that is not encrypted, or not there",
        _ => return Ok(released.map(|key| ImageKey::new(*key))),
    };
    Err(Failure::new(Exit::NotGenuine, self::released(&what)))
}

/// Volumes go exactly where the manifest has places for them.
fn volumes(
    manifest: &Manifest,
    configured: Vec<ConfiguredVolume>,
    lease: &Lease,
) -> Result<Vec<GrantedVolume>, Failure> {
    let mut places: Vec<&str> = configured.iter().map(|volume| volume.path.as_str()).collect();
    places.sort_unstable();
    if !places.iter().eq(manifest.volumes.iter()) {
        return Err(Failure::new(
            Exit::NotGenuine,
            released(&"volumes for other places than the manifest's"),
        ));
    }
    let grant = |volume: ConfiguredVolume| {
        let anchor = lease.anchor(&volume.name).map_err(of_client)?;
        Ok(GrantedVolume {
            lent: Lent {
                mode: volume.mode,
                freshness: volume.freshness,
                root: volume.root,
                key: VolumeKey::new(*volume.key),
                anchor,
            },
            path: volume.path,
        })
    };
    configured.into_iter().map(grant).collect()
}

/// What a custodian is started with, after the platform said that this is its domain.
///
/// # Errors
/// [`Exit::Measurement`] or [`Exit::Platform`].
pub fn for_custodian<P: Platform>(platform: &mut Measured<P>, bundle: &Bundle) -> Result<Start, Failure> {
    let manifest = &bundle.manifest;
    let zero = [0; 32];
    let report = report_data(Purpose::Custodian, &zero, &zero, &zero, &zero, &manifest.digest);
    let evidence = platform.evidence(&report);
    platform.verdict()?;
    evidence.map_err(Failure::because(Exit::Platform, "the platform gives no report"))?;
    let user = manifest
        .user
        .ok_or_else(|| Failure::new(Exit::Bundle, "a custodian without a user"))?;
    let mut start = render_start(manifest, &bundle.holes, Vec::new(), user)?;
    start.environment.push(text(CHANNEL_VARIABLE)?);
    Ok(start)
}

/// Checks what was released against the manifest: a release fills in, it never adds.
fn configure(bundle: &Bundle, configuration: Configuration) -> Result<Start, Failure> {
    let manifest = &bundle.manifest;
    let mut values = bundle.holes.clone();
    for (name, value) in &configuration.holes {
        fill(manifest, Filler::Policy, name, value)
            .map_err(|error| Failure::new(Exit::NotGenuine, released(&error)))?;
        values.insert(name.clone(), Zeroizing::new(value.to_string()));
    }
    if let Some(name) = manifest.holes.keys().find(|name| !values.contains_key(*name)) {
        return Err(Failure::new(
            Exit::NotGenuine,
            format!("the release leaves the hole {name} empty"),
        ));
    }
    let files = placed(manifest, configuration.files)?;
    let user = user(
        manifest,
        configuration.user.map(|user| User {
            uid: user.uid,
            gid: user.gid,
        }),
    )?;
    render_start(manifest, &values, files, user)
}

fn released(error: &dyn std::fmt::Display) -> String {
    format!("the release is not what the manifest allows: {error}")
}

fn placed(manifest: &Manifest, files: Vec<casemate_custodian_client::PolicyFile>) -> Result<Vec<PlacedFile>, Failure> {
    let mut seen = BTreeSet::new();
    let place = |file: casemate_custodian_client::PolicyFile| {
        let named = manifest.files.binary_search(&file.path).is_ok();
        if !named || file.mode & !0o777 != 0 || !seen.insert(file.path.clone()) {
            return Err(Failure::new(Exit::NotGenuine, released(&format!("file {}", file.path))));
        }
        Ok(PlacedFile {
            path: file.path,
            mode: file.mode,
            content: file.content,
        })
    };
    files.into_iter().map(place).collect()
}

fn user(manifest: &Manifest, released_user: Option<User>) -> Result<User, Failure> {
    match (manifest.user, released_user) {
        (Some(user), None) | (None, Some(user)) => Ok(user),
        (Some(own), Some(other)) if own == other => Ok(own),
        (Some(_), Some(_)) => Err(Failure::new(
            Exit::NotGenuine,
            released(&"another user than the manifest's"),
        )),
        (None, None) => Err(Failure::new(
            Exit::NotGenuine,
            "neither manifest nor release says whom the workload runs as",
        )),
    }
}

fn render_start(manifest: &Manifest, values: &Values, files: Vec<PlacedFile>, user: User) -> Result<Start, Failure> {
    let fixed = manifest.entrypoint.iter().map(|part| text(part));
    let filled = manifest.arguments.iter().map(|part| text(&rendered(part, values)?));
    let variable = |(name, value): (&String, &String)| {
        let value = rendered(value, values)?;
        let mut line = Zeroizing::new(String::with_capacity(name.len() + 1 + value.len()));
        [name, "=", &value].into_iter().for_each(|part| line.push_str(part));
        text(&line)
    };
    Ok(Start {
        arguments: fixed.chain(filled).collect::<Result<_, _>>()?,
        environment: manifest.environment.iter().map(variable).collect::<Result<_, _>>()?,
        files,
        certificate: None,
        uid: user.uid,
        gid: user.gid,
        sealed_output: false,
    })
}

fn rendered(template: &str, values: &Values) -> Result<Zeroizing<String>, Failure> {
    render(template, values).map_err(|why| Failure::new(Exit::Bundle, format!("{template:?} {why}")))
}

fn text(text: &str) -> Result<Zeroizing<CString>, Failure> {
    CString::new(text)
        .map(Zeroizing::new)
        .map_err(|_| Failure::new(Exit::Bundle, "a value holds a NUL"))
}

fn of_client(error: casemate_custodian_client::Error) -> Failure {
    Failure::with_its_own_cure(crate::client_exit::of(&error), error)
}
