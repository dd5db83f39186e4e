//! The launch bundle: what the untrusted host hands over (spec/manifest.md). Nothing in it is believed; it must only fit.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::digests;
use crate::holes::{MAX_VALUE, Pattern, Values};
use crate::manifest::{Filler, Manifest, ManifestError, Role, RootKind};
use crate::strict_json::unique_map;

/// Most bytes of a bundle: a manifest of 16 MiB in base64 and room for paths.
pub const MAX_BUNDLE_BYTES: usize = 24 * 1024 * 1024;
/// Most bytes of a custodian's genesis record: a board of 64 principals with room to spare.
pub const MAX_GENESIS_BYTES: usize = 64 * 1024;
/// Most addresses of one custodian.
pub const MAX_ADDRESSES: usize = 16;
/// Most release statements, and most bytes of one (spec/releases.md).
pub const MAX_STATEMENTS: usize = 8;
/// See [`MAX_STATEMENTS`].
pub const MAX_STATEMENT_BYTES: usize = 64 * 1024;
/// Longest path on the host, that of Linux without its NUL.
const MAX_HOST_PATH_BYTES: usize = 4095;

/// Why a bundle is refused.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The descriptor cannot be read.
    #[error("the launch bundle cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// Longer than [`MAX_BUNDLE_BYTES`].
    #[error("the launch bundle has more than {MAX_BUNDLE_BYTES} bytes")]
    TooLarge,
    /// Not JSON of the documented shape.
    #[error("the launch bundle is malformed: {0}")]
    Malformed(String),
    /// A manifest that breaks a rule.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A part that does not fit the manifest, or is outside its form.
    #[error("the launch bundle does not fit: {field} {name:?} {why}")]
    Unfit {
        /// Which part.
        field: &'static str,
        /// Name in it.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// How to reach the custodian, and who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustodianContact {
    /// Genesis record whose digest is the manifest's `custodian`.
    pub genesis: Vec<u8>,
    /// `http://IP:PORT`, in the order in which they are tried.
    pub addresses: Vec<String>,
}

/// A bundle whose every part fits its manifest.
#[derive(Debug)]
pub struct Bundle {
    /// Bytes of the manifest as handed over.
    pub manifest_bytes: Vec<u8>,
    /// The manifest. Whether it is *this domain's* manifest only the platform's report can say.
    pub manifest: Manifest,
    /// For role `workload`.
    pub custodian: Option<CustodianContact>,
    /// Values of the host's holes.
    pub holes: Values,
    /// Where to find files of the root, when not at the same path.
    pub sources: BTreeMap<String, String>,
    /// Host folder of each mount.
    pub mounts: BTreeMap<String, String>,
    /// Host folder of each sealed volume.
    pub volumes: BTreeMap<String, String>,
    /// Host file of each layer of the image, by its root as text.
    pub layers: BTreeMap<String, String>,
    /// Release statements for the custodian, who judges them.
    pub statements: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    casemate_launch: u32,
    manifest: String,
    #[serde(default)]
    custodian: Option<ContactForm>,
    #[serde(deserialize_with = "unique_map")]
    holes: BTreeMap<String, String>,
    #[serde(deserialize_with = "unique_map")]
    sources: BTreeMap<String, String>,
    #[serde(deserialize_with = "unique_map")]
    mounts: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "unique_map")]
    volumes: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "unique_map")]
    layers: BTreeMap<String, String>,
    #[serde(default)]
    statements: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactForm {
    genesis: String,
    addresses: Vec<String>,
}

impl Bundle {
    /// Reads a bundle to its end.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn read(source: impl Read) -> Result<Self, BundleError> {
        let mut data = Vec::new();
        source
            .take(MAX_BUNDLE_BYTES as u64 + 1)
            .read_to_end(&mut data)
            .map_err(BundleError::Unreadable)?;
        Self::parse(&data)
    }

    /// Parses a bundle and the manifest in it.
    ///
    /// # Errors
    /// [`BundleError`], for any bytes that are not a bundle whose parts fit its manifest.
    pub fn parse(data: &[u8]) -> Result<Self, BundleError> {
        if data.len() > MAX_BUNDLE_BYTES {
            return Err(BundleError::TooLarge);
        }
        let form: Form = serde_json::from_slice(data).map_err(|error| BundleError::Malformed(error.to_string()))?;
        if form.casemate_launch != 1 {
            return Err(unfit(
                "casemate_launch",
                &form.casemate_launch.to_string(),
                "is not 1, the only format known",
            ));
        }
        let manifest_bytes = decode("manifest", &form.manifest)?;
        let manifest = Manifest::parse(&manifest_bytes)?;
        let custodian = form
            .custodian
            .map(|contact| contact.into_contact(&manifest))
            .transpose()?;
        if custodian.is_none() && manifest.role == Role::Workload {
            return Err(unfit("custodian", "", "is missing: a workload needs one"));
        }
        check_sources(&manifest, &form.sources)?;
        check_folders("mounts", manifest.mounts.iter().map(|mount| &mount.path), &form.mounts)?;
        check_folders("volumes", manifest.volumes.iter(), &form.volumes)?;
        let roots = manifest.image.iter().flat_map(|image| &image.layers);
        let layers: Vec<String> = roots.map(digests::text).collect();
        check_folders("layers", layers.iter(), &form.layers)?;
        let holes = host_holes(&manifest, form.holes)?;
        Ok(Self {
            manifest_bytes,
            manifest,
            custodian,
            holes,
            sources: form.sources,
            mounts: form.mounts,
            volumes: form.volumes,
            layers: form.layers,
            statements: read_statements(&form.statements)?,
        })
    }
}

impl ContactForm {
    fn into_contact(self, manifest: &Manifest) -> Result<CustodianContact, BundleError> {
        let genesis = decode("custodian.genesis", &self.genesis)?;
        if genesis.len() > MAX_GENESIS_BYTES {
            return Err(unfit("custodian", "genesis", "is longer than 65,536 bytes"));
        }
        if manifest.custodian != Some(<[u8; 32]>::from(Sha256::digest(&genesis))) {
            return Err(unfit(
                "custodian",
                "genesis",
                "is not the record whose digest the manifest names",
            ));
        }
        if self.addresses.is_empty() || self.addresses.len() > MAX_ADDRESSES {
            return Err(unfit("custodian", "addresses", "are not 1 to 16"));
        }
        for address in &self.addresses {
            // Whoever answers proves itself by signature; names are for others to resolve.
            if address
                .strip_prefix("http://")
                .is_none_or(|rest| rest.parse::<SocketAddr>().is_err())
            {
                return Err(unfit(
                    "custodian",
                    address,
                    "is not http:// and an IP address with a port",
                ));
            }
        }
        Ok(CustodianContact {
            genesis,
            addresses: self.addresses,
        })
    }
}

fn check_sources(manifest: &Manifest, sources: &BTreeMap<String, String>) -> Result<(), BundleError> {
    for (path, source) in sources {
        let found = manifest.root.binary_search_by(|entry| entry.path.cmp(path));
        if !matches!(found.map(|at| &manifest.root[at].kind), Ok(RootKind::File { .. })) {
            return Err(unfit("sources", path, "is no file of the manifest's root"));
        }
        check_host_path("sources", source)?;
    }
    Ok(())
}

/// Each place or layer of the manifest gets a folder or file of the host, and nothing else does.
fn check_folders<'a>(
    field: &'static str,
    places: impl Iterator<Item = &'a String> + Clone,
    folders: &BTreeMap<String, String>,
) -> Result<(), BundleError> {
    if let Some(path) = places.clone().find(|path| !folders.contains_key(*path)) {
        return Err(unfit(field, path, "is in the manifest and got no folder or file"));
    }
    for (path, folder) in folders {
        if !places.clone().any(|place| place == path) {
            return Err(unfit(field, path, "is not in the manifest"));
        }
        check_host_path(field, folder)?;
    }
    Ok(())
}

fn read_statements(given: &[String]) -> Result<Vec<Vec<u8>>, BundleError> {
    if given.len() > MAX_STATEMENTS {
        return Err(unfit("statements", "", "are more than 8"));
    }
    let statements = given.iter().map(|text| decode("statements", text));
    let statements: Vec<Vec<u8>> = statements.collect::<Result<_, _>>()?;
    match statements.iter().find(|data| data.len() > MAX_STATEMENT_BYTES) {
        Some(_) => Err(unfit("statements", "", "have one of more than 65,536 bytes")),
        None => Ok(statements),
    }
}

fn check_host_path(field: &'static str, path: &str) -> Result<(), BundleError> {
    if !path.starts_with('/') || path.len() > MAX_HOST_PATH_BYTES || path.contains('\0') {
        return Err(unfit(field, path, "is not an absolute path of at most 4,095 bytes"));
    }
    Ok(())
}

fn host_holes(manifest: &Manifest, given: BTreeMap<String, String>) -> Result<Values, BundleError> {
    let mut values = Values::new();
    for (name, value) in given {
        fill(manifest, Filler::Host, &name, &value)?;
        values.insert(name, Zeroizing::new(value));
    }
    let missing = |name: &&String| manifest.holes[*name].filler == Filler::Host && !values.contains_key(*name);
    match manifest.holes.keys().find(missing) {
        Some(name) => Err(unfit("holes", name, "got no value")),
        None => Ok(values),
    }
}

/// Checks that `filler` may fill the hole `name` with `value`; the value itself is in no message.
///
/// # Errors
/// [`BundleError::Unfit`].
pub fn fill(manifest: &Manifest, filler: Filler, name: &str, value: &str) -> Result<(), BundleError> {
    let hole = manifest
        .holes
        .get(name)
        .ok_or_else(|| unfit("holes", name, "is not in the manifest"))?;
    if hole.filler != filler {
        return Err(unfit("holes", name, "is for the other side to fill"));
    }
    if value.len() > MAX_VALUE || value.contains('\0') {
        return Err(unfit(
            "holes",
            name,
            "got a value with a NUL or of more than 4,096 bytes",
        ));
    }
    let pattern = Pattern::new(&hole.pattern).map_err(|why| unfit("holes", name, why))?;
    if pattern.matches(value) {
        Ok(())
    } else {
        Err(unfit("holes", name, "got a value that its pattern refuses"))
    }
}

fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, BundleError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| unfit(field, "", "is not base64url without padding"))
}

fn unfit(field: &'static str, name: &str, why: &'static str) -> BundleError {
    BundleError::Unfit {
        field,
        name: name.chars().take(80).collect(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        let digest = |data: &[u8]| crate::digests::text(&Sha256::digest(data).into());
        let manifest = json!({
            "casemate_manifest": 1, "role": "workload", "custodian": digest(b"genesis"),
            "policy": {"name": "a/b", "genesis": digest(b""), "service": "s"},
            "root": [{"path": "/x", "type": "file", "digest": digest(b""), "size": 0, "mode": "0755"}],
            "writable": [], "mounts": [{"path": "/data", "access": "read"}], "volumes": [{"path": "/sealed"}],
            "files": [], "entrypoint": ["/x"],
            "arguments": ["{{ hole.port }}{{ hole.key }}"], "environment": {},
            "holes": {"port": {"pattern": "[0-9]+", "from": "host"}, "key": {"pattern": ".*", "from": "policy"}},
            "working_directory": "/"});
        json!({"casemate_launch": 1, "manifest": URL_SAFE_NO_PAD.encode(manifest.to_string()),
               "custodian": {"genesis": URL_SAFE_NO_PAD.encode("genesis"), "addresses": ["http://[::1]:7700"]},
               "holes": {"port": "80"}, "sources": {"/x": "/host/x"}, "mounts": {"/data": "/host/data"},
               "volumes": {"/sealed": "/host/sealed"}})
    }

    #[track_caller]
    fn assert_refused(pointer: &str, value: Value, reason: &str) {
        let mut bundle = good();
        let (parent, name) = pointer.rsplit_once('/').expect("pointer");
        bundle.pointer_mut(parent).expect("parent")[name] = value;
        let got = Bundle::parse(bundle.to_string().as_bytes())
            .expect_err(pointer)
            .to_string();
        assert!(got.contains(reason), "{pointer}: {got:?} does not say {reason:?}");
    }

    #[test]
    fn a_good_bundle_is_read() {
        let bundle = Bundle::parse(good().to_string().as_bytes()).expect("good");
        assert_eq!(bundle.custodian.expect("there").addresses, ["http://[::1]:7700"]);
        assert_eq!(bundle.holes["port"].as_str(), "80");
    }

    #[test]
    fn what_does_not_fit_the_manifest_is_refused() {
        assert_refused("/casemate_launch", json!(2), "the only format known");
        assert_refused("/manifest", json!("*"), "base64url");
        assert_refused("/custodian", Value::Null, "is missing");
        assert_refused(
            "/custodian/genesis",
            json!(URL_SAFE_NO_PAD.encode("other")),
            "whose digest the manifest names",
        );
        assert_refused("/custodian/addresses", json!([]), "are not 1 to 16");
        for address in [
            "https://127.0.0.1:1",
            "http://localhost:1",
            "http://127.0.0.1",
            "http://127.0.0.1:1/x",
        ] {
            assert_refused("/custodian/addresses", json!([address]), "IP address with a port");
        }
        assert_refused("/holes", json!({}), "got no value");
        assert_refused("/holes/port", json!("80x"), "its pattern refuses");
        assert_refused("/holes/port", json!("8".repeat(MAX_VALUE + 1)), "more than 4,096");
        assert_refused("/holes/key", json!("x"), "for the other side");
        assert_refused("/holes/other", json!("x"), "not in the manifest");
        assert_refused("/sources/~1y", json!("/y"), "no file of the manifest");
        assert_refused("/sources", json!({"/x": "relative"}), "absolute path");
        assert_refused("/mounts", json!({}), "got no folder");
        assert_refused("/mounts", json!({"/data": "/d", "/more": "/m"}), "not in the manifest");
        assert_refused("/volumes", json!({}), "got no folder");
        assert_refused(
            "/volumes",
            json!({"/sealed": "/s", "/more": "/m"}),
            "not in the manifest",
        );
        assert_refused("/volumes", json!({"/sealed": "sealed"}), "absolute path");
    }

    #[test]
    fn each_layer_of_an_image_has_its_file_and_nothing_else_has() {
        let roots = [[1; 32], [2; 32]].map(|root| digests::text(&root));
        let mut bundle = good();
        let manifest = URL_SAFE_NO_PAD.decode(bundle["manifest"].as_str().expect("text"));
        let mut manifest: Value = serde_json::from_slice(&manifest.expect("base64url")).expect("JSON");
        manifest["root"] = json!([]);
        manifest["image"] = json!({"layers": roots, "protection": "encrypted"});
        bundle["manifest"] = json!(URL_SAFE_NO_PAD.encode(manifest.to_string()));
        bundle["sources"] = json!({});
        let mut parse = |layers: Value| {
            bundle["layers"] = layers;
            Bundle::parse(bundle.to_string().as_bytes()).map_err(|error| error.to_string())
        };
        let [one, two] = &roots;
        assert_eq!(parse(json!({one: "/a", two: "/b"})).expect("good").layers[two], "/b");
        for (layers, reason) in [
            (json!({one: "/a"}), "got no folder or file"),
            (json!({one: "/a", two: "/b", "sha256:00": "/c"}), "not in the manifest"),
            (json!({one: "/a", two: "b"}), "absolute path"),
        ] {
            let error = parse(layers).expect_err(reason);
            assert!(error.contains(reason), "{error:?} does not say {reason:?}");
        }
        assert_refused("/layers", json!({one: "/a"}), "not in the manifest");
    }

    #[test]
    fn release_statements_are_handed_on_within_their_limits() {
        let parse = |statements: Vec<String>| {
            let mut bundle = good();
            bundle["statements"] = json!(statements);
            Bundle::parse(bundle.to_string().as_bytes()).map(|bundle| bundle.statements)
        };
        let largest = vec![7; MAX_STATEMENT_BYTES];
        let texts = vec![URL_SAFE_NO_PAD.encode(&largest); MAX_STATEMENTS];
        assert_eq!(
            parse(texts.clone()).expect("as many as fit"),
            vec![largest; MAX_STATEMENTS]
        );
        for (statements, reason) in [
            ([texts, vec![String::new()]].concat(), "more than 8"),
            (
                vec![URL_SAFE_NO_PAD.encode([7; MAX_STATEMENT_BYTES + 1])],
                "65,536 bytes",
            ),
            (vec!["*".to_owned()], "base64url"),
        ] {
            let error = parse(statements).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error:?} does not say {reason:?}");
        }
    }

    #[test]
    fn a_value_is_in_no_message() {
        let mut bundle = good();
        bundle["holes"]["port"] = json!("hunter2");
        let error = Bundle::parse(bundle.to_string().as_bytes()).expect_err("pattern");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_bundle_over_its_limit_is_refused() {
        assert!(matches!(
            Bundle::read(std::io::repeat(b' ')),
            Err(BundleError::TooLarge)
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_bundle_or_an_error(data: Vec<u8>, at in 0usize..2000, byte: u8) {
            let _ = Bundle::parse(&data);
            let mut damaged = good().to_string().into_bytes();
            let length = damaged.len();
            damaged[at % length] = byte;
            let _ = Bundle::parse(&damaged);
        }
    }
}
