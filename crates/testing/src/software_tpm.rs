//! A TPM in software: swtpm, which scripts/debian-packages.txt names.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to listen.
const START_TIME: Duration = Duration::from_secs(20);

/// A TPM of its own, started up, with nothing in it. It takes one client at a time and ends when this is dropped.
#[derive(Debug)]
pub struct SoftwareTpm {
    folder: TempDir,
    process: Child,
}

impl SoftwareTpm {
    /// A new one.
    ///
    /// # Panics
    /// Where swtpm is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let socket = folder.path().join("tpm");
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--server"])
            .arg(format!("type=unixio,path={}", socket.display()))
            .arg("--tpmstate")
            .arg(format!("dir={}", folder.path().display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm is installed");
        let until = Instant::now() + START_TIME;
        while !socket.exists() {
            assert!(Instant::now() < until, "swtpm does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Self { folder, process }
    }

    /// Where it takes commands.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("tpm")
    }
}

impl Drop for SoftwareTpm {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
