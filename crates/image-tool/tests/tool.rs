//! The program as the command line uses it: a request in, lines out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

struct Work(TempDir);

impl Work {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A folder with a bit of everything, and its archive.
    fn pack(&self) -> PathBuf {
        let folder = self.path("folder");
        fs::create_dir_all(folder.join("below/deeper")).unwrap();
        fs::write(folder.join("short"), b"short").unwrap();
        fs::write(folder.join("below/long"), vec![7; 3_000_000]).unwrap();
        fs::write(folder.join("below/empty"), b"").unwrap();
        fs::hard_link(folder.join("short"), folder.join("below/deeper/again")).unwrap();
        symlink("../nowhere", folder.join("below/link")).unwrap();
        fs::set_permissions(folder.join("short"), fs::Permissions::from_mode(0o4751)).unwrap();
        rustix::fs::setxattr(
            folder.join("short"),
            "user.word",
            b"line\nfeed",
            rustix::fs::XattrFlags::empty(),
        )
        .unwrap();
        let archive = self.path("archive");
        let mut tar = Command::new("tar");
        tar.args(["--create", "--format=posix", "--xattrs", "--file"])
            .arg(&archive);
        assert!(tar.arg("--directory").arg(&folder).arg(".").status().unwrap().success());
        archive
    }

    fn seal(&self, archive: &Path, target: &str) -> Result<Value, String> {
        let hashed = Command::new("sha256sum").arg(archive).output().unwrap();
        let said = String::from_utf8(hashed.stdout).unwrap();
        self.seal_as(archive, target, &format!("sha256:{}", said.split(' ').next().unwrap()))
    }

    fn seal_as(&self, archive: &Path, target: &str, diff_id: &str) -> Result<Value, String> {
        let limits = json!({"bytes": 1_u64 << 30, "entries": 1000, "attributes": 1 << 20});
        let target = self.path(target);
        ask(&json!({
            "command": "seal", "archive": archive, "target": target, "key": KEY, "diff_id": diff_id, "limits": limits,
        }))
    }

    fn image(&self, name: &str, root: &Value, key: Option<&str>) -> Value {
        json!({"layers": [{"path": self.path(name), "root": root}], "key": key})
    }
}

fn lines(request: &Value) -> Vec<Value> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_casemate-image"));
    let mut running = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    running
        .stdin
        .take()
        .unwrap()
        .write_all(request.to_string().as_bytes())
        .unwrap();
    let done = running.wait_with_output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The result, or the code of the error.
fn ask(request: &Value) -> Result<Value, String> {
    let last = lines(request).pop().unwrap();
    match last.get("error") {
        None => Ok(last["result"].clone()),
        Some(error) => Err(error["code"].as_str().unwrap().to_owned()),
    }
}

#[test]
fn what_was_sealed_comes_back_to_the_last_attribute() {
    let work = Work::new();
    let sealed = work.seal(&work.pack(), "blob").unwrap();
    assert_eq!(sealed["blob"]["size"], fs::metadata(work.path("blob")).unwrap().len());
    let image = work.image("blob", &sealed["root"], Some(KEY));
    let target = work.path("exported");
    ask(&json!({"command": "export", "image": image, "target": target})).unwrap();
    let mut tar = Command::new("tar");
    let compared = tar
        .args(["--compare", "--xattrs", "--file"])
        .arg(&target)
        .arg("--directory")
        .arg(work.path("folder"));
    let compared = compared.output().unwrap();
    assert!(
        compared.status.success(),
        "{}",
        String::from_utf8_lossy(&compared.stdout)
    );
    let again = work.seal(&target, "again").unwrap();
    let image_again = work.image("again", &again["root"], Some(KEY));
    ask(&json!({"command": "export", "image": image_again, "target": work.path("once more")})).unwrap();
    assert!(
        fs::read(work.path("once more")).unwrap() == fs::read(&target).unwrap(),
        "the same tree, the same archive"
    );
    let verified = ask(&json!({"command": "verify", "image": image})).unwrap();
    assert_eq!(verified["layers"], 1);
}

#[test]
fn an_export_that_is_killed_leaves_nothing_and_one_that_is_there_is_never_replaced() {
    let work = Work::new();
    let sealed = work.seal(&work.pack(), "blob").unwrap();
    let image = work.image("blob", &sealed["root"], Some(KEY));
    let folder = work.path("exports");
    fs::create_dir(&folder).unwrap();
    let request = json!({"command": "export", "image": image, "target": folder.join("half")});
    // The first block past the limit kills it (SIGXFSZ), as nothing else does at a place that is known.
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -c 0; ulimit -f 8; exec \"$0\"",
            env!("CARGO_BIN_EXE_casemate-image"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    write!(child.stdin.take().unwrap(), "{request}").unwrap();
    let ended = child.wait().unwrap();
    assert_eq!(ended.signal(), Some(25), "{ended}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);

    fs::write(folder.join("there"), b"mine").unwrap();
    let refused = ask(&json!({"command": "export", "image": image, "target": folder.join("there")})).unwrap_err();
    assert!(refused.contains("host"), "{refused}");
    assert_eq!(fs::read(folder.join("there")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_list_has_every_path_and_the_digests_of_files() {
    let work = Work::new();
    let sealed = work.seal(&work.pack(), "blob").unwrap();
    let image = work.image("blob", &sealed["root"], Some(KEY));
    let said = lines(&json!({"command": "list", "image": image, "digests": true}));
    let entries: Vec<_> = said.iter().filter_map(|line| line.get("entry")).collect();
    let paths: Vec<_> = entries.iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "below",
            "short",
            "below/deeper",
            "below/empty",
            "below/link",
            "below/long",
            "below/deeper/again"
        ]
    );
    let short = entries[1];
    assert_eq!(
        (&short["mode"], &short["attributes"]["user.word"]),
        (&json!("104751"), &json!("6c696e650a66656564"))
    );
    assert_eq!(
        short["digest"],
        "sha256:f9b0078b5df596d2ea19010c001bbd009e651de2c57e8fb7e355f31eb9d3f739"
    );
}

#[test]
fn what_is_wrong_is_said_in_one_word() {
    let work = Work::new();
    let archive = work.pack();
    let sealed = work.seal(&archive, "blob").unwrap();
    let verify = |image: Value| ask(&json!({"command": "verify", "image": image}));
    assert_eq!(
        work.seal(&archive, "blob"),
        Err("host".into()),
        "nothing is overwritten"
    );
    assert_eq!(
        work.seal(&work.path("folder/below/long"), "other"),
        Err("archive".into())
    );
    assert!(!work.path("other").exists());
    assert_eq!(
        verify(work.image("blob", &sealed["root"], None)),
        Err("tampered".into())
    );
    let other = KEY.replace('B', "C");
    assert_eq!(
        verify(work.image("blob", &sealed["root"], Some(&other))),
        Err("tampered".into())
    );
    let blob = fs::File::options()
        .read(true)
        .write(true)
        .open(work.path("blob"))
        .unwrap();
    let mut byte = [0];
    blob.read_exact_at(&mut byte, 100_000).unwrap();
    blob.write_all_at(&[byte[0] ^ 1], 100_000).unwrap();
    assert_eq!(
        verify(work.image("blob", &sealed["root"], Some(KEY))),
        Err("tampered".into())
    );
    assert_eq!(ask(&json!({"command": "nothing"})), Err("usage".into()));
}

#[test]
fn an_archive_is_sealed_only_if_it_is_the_one_that_the_configuration_names() {
    let work = Work::new();
    let archive = work.pack();
    let other = format!("sha256:{}", "0".repeat(64));
    assert_eq!(work.seal_as(&archive, "blob", &other), Err("tampered".into()));
    assert!(!work.path("blob").exists());
    let sealed = work.seal(&archive, "blob").unwrap();
    let mut longer = fs::OpenOptions::new().append(true).open(&archive).unwrap();
    longer.write_all(&[7; 512]).unwrap();
    let again = work.seal(&archive, "longer").unwrap();
    assert_eq!(
        again["root"], sealed["root"],
        "what is behind the end is hashed, and nothing else"
    );
    assert!(Command::new("gzip").arg(&archive).status().unwrap().success());
    let compressed = work.path("archive.gz");
    assert_eq!(
        work.seal(&compressed, "compressed"),
        Err("tampered".into()),
        "not the compressed bytes"
    );
}

#[test]
fn a_path_is_looked_up_as_a_process_in_the_image_would() {
    let work = Work::new();
    let folder = work.path("folder");
    fs::create_dir_all(folder.join("etc")).unwrap();
    symlink("/etc/../../../inside", folder.join("etc/passwd")).unwrap();
    symlink("round", folder.join("etc/round")).unwrap();
    fs::write(folder.join("inside"), b"root:x:0:0::/root:/bin/sh\n").unwrap();
    let sealed = work.seal(&work.pack(), "blob").unwrap();
    let image = work.image("blob", &sealed["root"], Some(KEY));
    let paths = [
        "/etc/passwd",
        "/nothing",
        "/etc/round",
        "/inside/below",
        "below/..//etc",
        "/below/long",
    ];
    let said = ask(&json!({"command": "look", "image": image, "paths": paths})).unwrap();
    assert_eq!(said["found"][0]["content"], "cm9vdDp4OjA6MDo6L3Jvb3Q6L2Jpbi9zaAo");
    assert!(said["found"].as_array().unwrap()[1..4].iter().all(Value::is_null));
    assert_eq!(
        (&said["found"][4]["entries"], &said["found"][4]["mode"]),
        (&json!(2), &json!(0o40755))
    );
    assert!(said["found"][5].get("content").is_none(), "too long to be said");
}

#[test]
fn nothing_but_a_regular_file_is_opened() {
    let work = Work::new();
    let archive = work.pack();
    let sealed = work.seal(&archive, "blob").unwrap();
    symlink(&archive, work.path("link")).unwrap();
    symlink(work.path("blob"), work.path("link-to-blob")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        work.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for name in ["link", "pipe", "folder"] {
        let diff_id = format!("sha256:{}", "0".repeat(64));
        assert_eq!(
            work.seal_as(&work.path(name), "other", &diff_id).unwrap_err(),
            "host",
            "{name}"
        );
    }
    for name in ["link-to-blob", "pipe"] {
        let refused = ask(&json!({"command": "verify", "image": work.image(name, &sealed["root"], Some(KEY))}));
        assert_eq!(refused.unwrap_err(), "host", "{name}");
    }
}
