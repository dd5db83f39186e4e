//! Sealed layers of folders that a test fills, and launches of images made of them.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use casemate_erofs::{Attributes, Writer};
use casemate_image::blob;
use casemate_image::sealed::{Growing, ImageKey, seal};
use casemate_image::unpack::{Limits, unpack};
use casemate_testing::{Custodian, Server, b64u};
use serde_json::{Map, Value, json};
use tempfile::{TempDir, tempfile};

use super::{BUSYBOX, Launch, POLICY};

pub const KEY: [u8; 32] = [9; 32];

/// A sealed layer.
pub struct Layer {
    /// Its root, as manifests write it.
    pub root: String,
    pub file: PathBuf,
}

/// Layers of an image, from the bottom up. Other users can read their files.
pub struct Layers {
    folder: TempDir,
    key: Option<ImageKey>,
    pub layers: Vec<Layer>,
}

impl Layers {
    pub fn encrypted() -> Self {
        Self::new(Some(ImageKey::new(KEY)))
    }

    pub fn authenticated() -> Self {
        Self::new(None)
    }

    fn new(key: Option<ImageKey>) -> Self {
        let folder = TempDir::new().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).unwrap();
        Self {
            folder,
            key,
            layers: Vec::new(),
        }
    }

    /// Busybox with its shell, and places of usual images.
    pub fn with_busybox(self) -> Self {
        self.with(|root| {
            for folder in ["bin", "etc", "run", "tmp", "var"] {
                fs::create_dir(root.join(folder)).unwrap();
            }
            fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
            symlink("busybox", root.join("bin/sh")).unwrap();
            symlink("/run", root.join("var/run")).unwrap();
        })
    }

    /// One more layer, of what `fill` puts into a folder.
    pub fn with(mut self, fill: impl FnOnce(&Path)) -> Self {
        let content = TempDir::new().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(content.path(), open).unwrap();
        fill(content.path());
        let tar = Command::new("tar")
            .args(["--create", "--owner=0", "--group=0", "--directory"])
            .arg(content.path())
            .arg(".")
            .output();
        let growing = Growing::new(tempfile().unwrap(), None, self.key.as_ref()).unwrap();
        let mut writer = Writer::new(growing, tempfile().unwrap(), Attributes::default()).unwrap();
        unpack(&tar.unwrap().stdout[..], &mut writer, &Limits::default()).unwrap();
        let hashed = writer.finish().unwrap().0.finish().unwrap();
        let path = self.folder.path().join(self.layers.len().to_string());
        let mut file = File::create(&path).unwrap();
        // Both forms in turn: a file of its own, and a layer of an OCI image.
        if self.layers.len() % 2 == 0 {
            seal(&hashed, &mut file).unwrap();
        } else {
            blob::write(&hashed, &mut file).unwrap();
        }
        self.layers.push(Layer {
            root: format!("sha256:{}", hashed.root()),
            file: path,
        });
        self
    }

    /// The shell of these layers with a script, as user 1000, and the configuration that the custodian releases.
    pub fn shell(&self, script: &str) -> (Launch, Value) {
        let mut configuration = json!({"casemate_configuration": 1, "holes": {}, "files": []});
        let mut protection = "authenticated";
        if self.key.is_some() {
            configuration["image_key"] = json!(b64u(KEY));
            protection = "encrypted";
        }
        let mut launch = Launch::shell(script);
        let roots: Vec<&str> = self.layers.iter().map(|layer| layer.root.as_str()).collect();
        launch.manifest["root"] = json!([]);
        launch.manifest["writable"] = json!([]);
        launch.manifest["image"] = json!({"layers": roots, "protection": protection});
        let files = self.layers.iter().map(|layer| (layer.root.clone(), json!(layer.file)));
        launch.layers = Value::Object(files.collect::<Map<_, _>>());
        (launch, configuration)
    }

    /// The same, at a custodian that releases it.
    pub fn launch(&self, script: &str) -> Launch {
        let (launch, configuration) = self.shell(script);
        released(launch, configuration)
    }
}

/// A launch at a custodian that releases this configuration.
pub fn released(mut launch: Launch, configuration: Value) -> Launch {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let server = Server::answering(move |request| own.genuine(request, POLICY, &configuration));
    launch.ask(&custodian, &[server.address()]);
    launch
}
