//! What the host hands over, and what it would like to.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::os::unix::fs::FileExt;

use launch::{BUSYBOX, Launch};
use rustix::fs::{CWD, FileType, mknodat};
use serde_json::json;

#[test]
fn nothing_of_the_hosts_environment_arrives_and_its_names_are_logged() {
    let mut launch = Launch::shell("busybox env");
    launch.environment.push(("OFFERED_TOKEN".into(), "hunter2".into()));
    launch.runner = ["env", "LD_PRELOAD=/tmp/evil.so"].map(String::from).to_vec();
    launch.arguments = vec!["--privileged".into()];
    let outcome = launch.run().ended_with(0, "dropped 1 offered arguments");
    outcome
        .says("OFFERED_TOKEN")
        .never_says("hunter2")
        .never_says("evil.so");
}

#[test]
fn a_changed_file_is_refused_before_anything_runs() {
    let mut launch = Launch::shell("echo ran");
    let mut content = std::fs::read(BUSYBOX).unwrap();
    content[4000] ^= 1;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    launch.sources = json!({"/bin/busybox": file.path()});
    let words = "/bin/busybox is not the measured file: its content has another digest";
    launch.run().ended_with(65, words).never_says("ran");
}

#[test]
fn whatever_else_stands_in_place_of_a_measured_file_is_refused_at_once() {
    let mut launch = Launch::shell("echo ran");
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    mknodat(CWD, place("pipe"), FileType::Fifo, 0o600.into(), 0).unwrap();
    std::os::unix::fs::symlink("loop", place("loop")).unwrap();
    let sparse = std::fs::File::create(place("sparse")).unwrap();
    sparse
        .write_at(b"x", std::fs::metadata(BUSYBOX).unwrap().len() - 1)
        .unwrap();
    std::fs::File::create(place("endless"))
        .unwrap()
        .set_len(1 << 42)
        .unwrap();
    for (name, words) in [
        ("pipe", "it is no regular file"),
        (".", "it is no regular file"),
        ("loop", "it cannot be read"),
        ("none", "it cannot be read"),
        ("sparse", "another digest"),
        ("endless", "it has 4398046511104 bytes, not"),
    ] {
        launch.sources = json!({"/bin/busybox": place(name)});
        launch.run().ended_with(65, words).never_says("ran");
    }
    launch.sources = json!({"/bin/busybox": "/dev/zero"});
    launch.run().ended_with(65, "it is no regular file");
}

#[test]
fn a_link_to_the_measured_content_will_do() {
    let mut launch = Launch::shell("echo ran");
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(BUSYBOX, folder.path().join("link")).unwrap();
    launch.sources = json!({"/bin/busybox": folder.path().join("link")});
    launch.run().ended_with(0, "ran\n");
}

#[test]
fn a_device_that_is_another_one_or_none_is_refused() {
    for (source, device) in [("/dev/zero", "/dev/full"), (BUSYBOX, "/dev/null")] {
        let mut launch = Launch::shell("echo ran");
        // In a mount namespace of this launch's own: nobody else sees it.
        let script = format!(r#"mount --bind {source} {device} && exec "$@""#);
        launch.runner = ["unshare", "-m", "sh", "-c", &script, "sh"].map(String::from).to_vec();
        let words = format!("the host's {device} is not that device");
        launch.run().ended_with(70, &words).never_says("ran");
    }
}

#[test]
fn a_root_larger_than_the_machines_memory_is_refused_before_it_fills_it() {
    let mut launch = Launch::shell("echo ran");
    // The file itself is small: nothing would fill up if the check were gone.
    launch.add(
        json!({"path": "/data", "type": "file", "mode": "0644", "size": 1_u64 << 42,
                      "digest": format!("sha256:{}", "0".repeat(64))}),
    );
    launch.sources = json!({"/data": BUSYBOX});
    let words = "bytes of memory, and this machine has";
    launch.run().ended_with(70, words).never_says("ran");
}

#[test]
fn a_domain_started_for_another_manifest_is_refused() {
    let mut launch = Launch::shell("echo ran");
    launch.host_data = Some([7; 32]);
    launch
        .run()
        .ended_with(65, "the platform started this domain for sha256:0707")
        .never_says("ran");
}

#[test]
fn a_broken_bundle_is_refused() {
    let launch = Launch::shell("echo ran");
    for bundle in ["", "{}", "[]", "{\"casemate_launch\":1,\"casemate_launch\":1}"] {
        launch.spawn_with(bundle, [0; 32]).end().ended_with(64, "malformed");
    }
}

#[test]
fn a_bundle_without_an_end_is_refused() {
    let bundle = " ".repeat(24 * 1024 * 1024 + 1);
    Launch::shell("")
        .spawn_with(&bundle, [0; 32])
        .end()
        .ended_with(64, "more than 25165824 bytes");
}

#[test]
fn a_folder_as_standard_input_would_lead_out_of_the_root() {
    let mut launch = Launch::shell("busybox ls /proc/self/fd/0/");
    launch.input = "/etc".into();
    launch.run().ended_with(64, "descriptor 0 is a folder of the host");
}

#[test]
fn without_the_platforms_descriptors_nothing_starts() {
    let mut launch = Launch::shell("echo ran");
    launch.runner = ["sh", "-c", r#"exec "$@" 3<&-"#, "sh"].map(String::from).to_vec();
    launch
        .run()
        .ended_with(66, "descriptor 3, the platform's socket, is not there");
    launch.runner = ["sh", "-c", r#"exec "$@" 4<&-"#, "sh"].map(String::from).to_vec();
    launch
        .run()
        .ended_with(64, "descriptor 4, the launch bundle, is not there");
}

#[test]
fn closed_standard_descriptors_are_not_filled_by_the_shields_own() {
    let script = "for n in 0 1; do busybox readlink /proc/self/fd/$n; done >&2; [ -e /proc/self/fd/3 ]";
    let mut launch = Launch::shell(script);
    launch.runner = ["sh", "-c", r#"exec "$@" 0<&- 1>&-"#, "sh"].map(String::from).to_vec();
    launch.run().ended_with(0, "/dev/null\n");
}
