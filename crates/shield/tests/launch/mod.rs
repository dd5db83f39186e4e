//! Launches the real shield on a platform that signs nothing: role `custodian` needs no custodian.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const BUSYBOX: &str = "/bin/busybox";
/// Offset and length of HOST_DATA in a report, and the report's length (SEV-SNP ABI, ATTESTATION_REPORT).
const HOST_DATA: std::ops::Range<usize> = 0xc0..0xe0;
const REPORT_BYTES: usize = 1184;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A launch that a test describes and starts.
pub struct Launch {
    pub manifest: Value,
    pub sources: Value,
    pub mounts: Value,
    /// HOST_DATA of the platform's reports; `None`: the digest of the manifest, as it should be.
    pub host_data: Option<[u8; 32]>,
    pub environment: Vec<(String, String)>,
    pub runner: Vec<String>,
}

impl Launch {
    /// Busybox's shell with a script, as user 1000.
    pub fn shell(script: &str) -> Self {
        let content = std::fs::read(BUSYBOX).expect("busybox-static is installed");
        let manifest = json!({
            "casemate_manifest": 1, "role": "custodian", "root": [
                {"path": "/bin", "type": "directory", "mode": "0755"},
                {"path": "/bin/busybox", "type": "file", "mode": "0755", "size": content.len(),
                 "digest": format!("sha256:{}", hex(&Sha256::digest(&content)))},
                {"path": "/bin/sh", "type": "symlink", "target": "busybox"}],
            "writable": [{"path": "/tmp", "mode": "1777", "size": 65536}], "mounts": [], "files": [],
            "entrypoint": ["/bin/sh", "-c", script], "arguments": [], "environment": {"PATH": "/bin"}, "holes": {},
            "user": {"uid": 1000, "gid": 1000}, "working_directory": "/"});
        let (sources, mounts) = (json!({}), json!({}));
        Self {
            manifest,
            sources,
            mounts,
            host_data: None,
            environment: Vec::new(),
            runner: Vec::new(),
        }
    }

    pub fn spawn(&self) -> Child {
        let manifest = self.manifest.to_string();
        let bundle = json!({"casemate_launch": 1, "manifest": URL_SAFE_NO_PAD.encode(&manifest), "holes": {},
                            "sources": self.sources, "mounts": self.mounts});
        let digest = self.host_data.unwrap_or_else(|| Sha256::digest(&manifest).into());
        self.spawn_with(&bundle.to_string(), digest)
    }

    pub fn spawn_with(&self, bundle: &str, host_data: [u8; 32]) -> Child {
        let (platform, shield_end) = UnixStream::pair().expect("socket pair");
        thread::spawn(move || answer(platform, host_data));
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(bundle.as_bytes())
            .and_then(|()| file.rewind())
            .expect("written");
        let shield = shield();
        // The shell moves the two descriptors to the numbers that a platform uses.
        let script = r#"exec "$@" 3<&0 4<&1 0</dev/null 1>&2"#;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script, "sh"])
            .args(&self.runner)
            .arg(shield)
            .env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(OwnedFd::from(shield_end))
            .stdout(File::from(OwnedFd::from(file)))
            .stderr(Stdio::piped());
        command.spawn().expect("started")
    }

    pub fn run(&self) -> Outcome {
        Outcome::of(self.spawn().wait_with_output().expect("ended"))
    }
}

fn shield() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_casemate-shield"))
}

/// What came of a launch; standard output and error are one.
pub struct Outcome {
    pub status: Option<i32>,
    pub output: String,
}

impl Outcome {
    pub fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn ended_with(self, status: i32, words: &str) -> Self {
        assert_eq!(self.status, Some(status), "{}", self.output);
        assert!(self.output.contains(words), "{words:?} is not in {:?}", self.output);
        self
    }
}

fn answer(mut socket: UnixStream, host_data: [u8; 32]) {
    let mut length = [0; 4];
    while socket.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        socket.read_exact(&mut frame).expect("frame");
        let request: Value = serde_json::from_slice(&frame).expect("JSON");
        let answer = match request["op"].as_str() {
            Some("report") => json!({"report": report(&request, host_data), "certificates": "", "crls": []}),
            Some("derive_key") => {
                json!({"key": URL_SAFE_NO_PAD.encode(Sha256::digest(request["context"].to_string()))})
            }
            _ => json!({"error": "unknown"}),
        };
        let body = answer.to_string();
        let frame = [
            &u32::try_from(body.len()).expect("short").to_be_bytes()[..],
            body.as_bytes(),
        ]
        .concat();
        if socket.write_all(&frame).is_err() {
            return;
        }
    }
}

fn report(request: &Value, host_data: [u8; 32]) -> String {
    let mut report = [0; REPORT_BYTES];
    let data = request["report_data"].as_str().expect("report_data");
    for (at, pair) in data.as_bytes().chunks(2).enumerate() {
        // REPORT_DATA begins at 0x50.
        report[0x50 + at] = u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    }
    report[HOST_DATA].copy_from_slice(&host_data);
    URL_SAFE_NO_PAD.encode(report)
}
