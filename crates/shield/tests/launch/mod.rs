//! Launches the real shield on a platform that signs nothing. Role `custodian` needs nobody else; role `workload` asks a
//! custodian of `casemate_testing`.
#![allow(dead_code, reason = "not every test file needs every part")]

pub mod layers;
mod running;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use casemate_evidence::Platform;
use casemate_testing::{Custodian, UnsignedPlatform, b64u, digest_text};
use rustix::fs::fstat;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use running::{Outcome, Running};

pub const BUSYBOX: &str = "/bin/busybox";
/// Genesis of the policy that workloads name.
pub const POLICY: [u8; 32] = [4; 32];

/// A launch that a test describes and starts.
pub struct Launch {
    pub manifest: Value,
    pub holes: Value,
    pub sources: Value,
    pub mounts: Value,
    pub volumes: Value,
    pub layers: Value,
    /// The bundle's `custodian`.
    pub contact: Option<Value>,
    /// HOST_DATA of the platform's reports; `None`: the digest of the manifest, as it should be.
    pub host_data: Option<[u8; 32]>,
    pub environment: Vec<(String, String)>,
    /// Program and arguments that start the shield.
    pub runner: Vec<String>,
    /// The shield's own arguments.
    pub arguments: Vec<String>,
    /// What becomes the workload's standard input.
    pub input: String,
    /// What becomes its standard output and error, if not a pipe to the test.
    pub output: Option<OwnedFd>,
    /// How many reports the platform gives.
    pub reports: usize,
}

impl Launch {
    /// Busybox's shell with a script, as user 1000, without a custodian: it has a platform channel instead.
    pub fn shell(script: &str) -> Self {
        let manifest = json!({
            "casemate_manifest": 1, "role": "custodian", "root": [
                {"path": "/bin", "type": "directory", "mode": "0755"},
                file("/bin/busybox", Path::new(BUSYBOX)),
                {"path": "/bin/sh", "type": "symlink", "target": "busybox"}],
            "writable": [{"path": "/tmp", "mode": "1777", "size": 65536}], "mounts": [], "files": [],
            "entrypoint": ["/bin/sh", "-c", script], "arguments": [], "environment": {"PATH": "/bin"}, "holes": {},
            "user": {"uid": 1000, "gid": 1000}, "working_directory": "/"});
        Self {
            manifest,
            holes: json!({}),
            sources: json!({}),
            mounts: json!({}),
            volumes: json!({}),
            layers: json!({}),
            contact: None,
            host_data: None,
            environment: Vec::new(),
            runner: Vec::new(),
            arguments: Vec::new(),
            input: "/dev/null".to_owned(),
            output: None,
            reports: usize::MAX,
        }
    }

    /// The same as a workload that asks this custodian at these addresses.
    pub fn workload(script: &str, custodian: &Custodian, addresses: &[String]) -> Self {
        let mut launch = Self::shell(script);
        launch.ask(custodian, addresses);
        launch
    }

    /// Becomes a workload that asks this custodian.
    pub fn ask(&mut self, custodian: &Custodian, addresses: &[String]) {
        self.manifest["role"] = json!("workload");
        self.manifest["custodian"] = json!(digest_text(&custodian.identity()));
        self.manifest["policy"] = json!({"name": "acme/records", "genesis": digest_text(&POLICY), "service": "api"});
        self.contact = Some(json!({"genesis": b64u(&custodian.genesis), "addresses": addresses}));
    }

    /// Started by a user without privileges.
    pub fn unprivileged(mut self) -> Self {
        let runner = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
        self.runner = runner.map(String::from).to_vec();
        self
    }

    /// As user 0, who may do most without capabilities.
    pub fn with_uid_0(mut self) -> Self {
        self.manifest["user"] = json!({"uid": 0, "gid": 0});
        self
    }

    /// With another program instead of the shell: a file of this host at `path`.
    pub fn program(mut self, path: &str, source: &Path) -> Self {
        self.add(file(path, source));
        self.sources[path] = json!(source);
        self.manifest["entrypoint"] = json!([path]);
        self
    }

    /// With one more entry of the root, in its place.
    pub fn add(&mut self, entry: Value) {
        let entries = self.manifest["root"].as_array_mut().unwrap();
        let at = entries.partition_point(|other| other["path"].as_str() < entry["path"].as_str());
        entries.insert(at, entry);
    }

    pub fn spawn(&self) -> Running {
        let digest = self.host_data.unwrap_or_else(|| self.digest());
        self.spawn_with(&self.bundle(), digest)
    }

    /// What the shield gets as descriptor 4.
    pub fn bundle(&self) -> String {
        let manifest = self.manifest.to_string();
        let mut bundle = json!({"casemate_launch": 1, "manifest": b64u(&manifest), "holes": self.holes,
                                "sources": self.sources, "mounts": self.mounts, "volumes": self.volumes,
                                "layers": self.layers});
        if let Some(contact) = &self.contact {
            bundle["custodian"] = contact.clone();
        }
        bundle.to_string()
    }

    pub fn spawn_with(&self, bundle: &str, host_data: [u8; 32]) -> Running {
        let (platform, shield_end) = UnixStream::pair().expect("socket pair");
        let socket = fstat(&shield_end).expect("a socket").st_ino;
        let reports = self.reports;
        thread::spawn(move || answer(platform, UnsignedPlatform { host_data }, reports));
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(bundle.as_bytes())
            .and_then(|()| file.rewind())
            .expect("written");
        // The shell moves the two descriptors to the numbers that a platform uses.
        let script = r#"input=$1; shift; exec "$@" 3<&0 4<&1 0<"$input" 1>&2"#;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh", &self.input]).args(&self.runner);
        command.arg(env!("CARGO_BIN_EXE_casemate-shield")).args(&self.arguments);
        command.env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(OwnedFd::from(shield_end))
            .stdout(File::from(OwnedFd::from(file)))
            .stderr(match &self.output {
                Some(output) => output.try_clone().expect("descriptor").into(),
                None => Stdio::piped(),
            });
        Running::new(command.spawn().expect("started"), socket)
    }

    /// Digest of the manifest as it is.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.manifest.to_string()).into()
    }

    pub fn run(&self) -> Outcome {
        self.spawn().end()
    }
}

/// The entry of a manifest's root for a file of this host.
pub fn file(path: &str, source: &Path) -> Value {
    let content = std::fs::read(source).expect("a file that is installed");
    json!({"path": path, "type": "file", "mode": "0755", "size": content.len(),
           "digest": digest_text(&Sha256::digest(&content).into())})
}

/// Plays the platform's agent for one domain, which gets that many reports.
fn answer(mut socket: UnixStream, mut platform: UnsignedPlatform, mut reports: usize) {
    let mut length = [0; 4];
    while socket.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        socket.read_exact(&mut frame).expect("frame");
        let request: Value = serde_json::from_slice(&frame).expect("JSON");
        let answer = match request["op"].as_str() {
            Some("report") if reports > 0 => {
                reports -= 1;
                let evidence = platform.evidence(&report_data(&request)).expect("always");
                json!({"report": b64u(evidence.report), "certificates": "", "crls": []})
            }
            Some("derive_key") => json!({"key": b64u(Sha256::digest(request["context"].to_string()))}),
            _ => json!({"error": "unknown"}),
        };
        let body = answer.to_string();
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        if socket.write_all(&[&length, body.as_bytes()].concat()).is_err() {
            return;
        }
    }
}

fn report_data(request: &Value) -> [u8; 64] {
    let digits = request["report_data"].as_str().expect("report_data");
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hex");
    std::array::from_fn(byte)
}
