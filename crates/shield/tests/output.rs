//! What a workload writes where its policy has that sealed (spec/output-format.md).
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::fs;
use std::io::Write;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casemate_evidence::bind;
use casemate_testing::{b64u, digest_text};
use launch::layers::released;
use launch::{Launch, Outcome, POLICY};
use rustix::pipe::pipe;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

const KEY: [u8; 32] = [5; 32];
const MARK: &str = "casemate-output:v1:";

fn sealed(script: &str) -> Launch {
    let configuration = json!({"casemate_configuration": 1, "holes": {}, "files": [], "output_key": b64u(KEY)});
    released(Launch::shell(script), configuration)
}

/// What was written to one channel (1 or 2), and first and last line where they are there.
struct Opened {
    start: Option<Value>,
    channels: [Vec<u8>; 2],
    end: Option<Value>,
}

impl Opened {
    fn text(&self, channel: usize) -> &str {
        std::str::from_utf8(&self.channels[channel - 1]).unwrap()
    }
}

/// Opens every line, in order, of the one stream that is there.
fn opened(outcome: &Outcome) -> Opened {
    let mut found = Opened {
        start: None,
        channels: [Vec::new(), Vec::new()],
        end: None,
    };
    for (number, line) in outcome.output.lines().filter(|line| line.contains(MARK)).enumerate() {
        let parts: Vec<&str> = line.strip_prefix(MARK).expect(line).split(':').collect();
        assert_eq!(parts[1], number.to_string(), "{line}");
        let stream = URL_SAFE_NO_PAD.decode(parts[0]).unwrap();
        let mut body = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let info = bind(&[b"casemate/output/v1", &POLICY, b"api"]);
        let info = [info.as_slice()];
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &stream).extract(&KEY);
        let mut key = [0; 32];
        extracted
            .expand(&info, hkdf::HKDF_SHA256)
            .unwrap()
            .fill(&mut key)
            .unwrap();
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&(number as u64).to_be_bytes());
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = key
            .open_in_place(nonce, Aad::from(b"casemate/output/line/v1"), &mut body)
            .unwrap();
        let content = &plain[3..3 + usize::from(u16::from_be_bytes([plain[1], plain[2]]))];
        match plain[0] {
            0 => found.start = Some(serde_json::from_slice(content).unwrap()),
            3 => found.end = Some(serde_json::from_slice(content).unwrap()),
            channel => found.channels[usize::from(channel) - 1].extend_from_slice(content),
        }
    }
    found
}

#[test]
fn what_a_workload_writes_leaves_sealed_and_whole() {
    let launch = sealed("echo to-be-read; echo wrong >&2; exit 3");
    let outcome = launch.run().ended_with(3, MARK);
    let outcome = outcome.never_says("to-be-read").never_says("wrong");
    let found = opened(&outcome);
    assert_eq!((found.text(1), found.text(2)), ("to-be-read\n", "wrong\n"));
    assert_eq!(found.end, Some(json!({"status": 3})));
    let start = found.start.unwrap();
    assert_eq!(start["manifest"], digest_text(&launch.digest()));
    assert_eq!(start["decision"], "ab".repeat(20));
}

#[test]
fn without_privileges_it_is_the_same() {
    let outcome = sealed("echo to-be-read; echo named >/dev/stdout").unprivileged().run();
    if outcome.output.contains("the kernel gives no namespaces") {
        eprintln!("skipped: {}", outcome.output);
        return;
    }
    let outcome = outcome.ended_with(0, MARK).never_says("to-be-read");
    assert_eq!(opened(&outcome).text(1), "to-be-read\nnamed\n");
}

#[test]
fn output_and_error_are_opened_by_name_as_anywhere() {
    let outcome = sealed("echo one >/dev/stdout; echo two >/dev/stderr").run();
    let outcome = outcome.ended_with(0, MARK);
    let found = opened(&outcome);
    assert_eq!((found.text(1), found.text(2)), ("one\n", "two\n"));
}

#[test]
fn much_arrives_in_order_and_in_lines_of_bounded_length() {
    let outcome = sealed("busybox seq 1 200000").run().ended_with(0, MARK);
    let wanted: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert!(opened(&outcome).text(1) == wanted);
    assert!(outcome.output.lines().all(|line| line.len() < 4096));
}

#[test]
fn an_input_that_can_be_written_to_is_no_way_out() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().write_all(b"asked\n").unwrap();
    let mut launch = sealed("busybox cat; echo leaked >&0; busybox stat -L -c %F /dev/stdin");
    let script = format!("exec \"$@\" 0<>{}", file.path().display());
    launch.runner = ["/bin/sh", "-c", &script, "sh"].map(String::from).to_vec();
    let outcome = launch.run();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "asked\n");
    assert_eq!(opened(&outcome).text(1), "character special file\n");
    // A terminal is a device, and so is this.
    let mut launch = sealed("busybox head -c 3 | busybox wc -c");
    launch.input = "/dev/zero".to_owned();
    assert_eq!(opened(&launch.run()).text(1), "0\n");
    // A file that can only be read is the workload's, as it is without sealing.
    let mut launch = sealed("busybox cat");
    launch.input = file.path().display().to_string();
    assert_eq!(opened(&launch.run()).text(1), "asked\n");
}

#[test]
fn where_nobody_takes_the_lines_the_workload_cannot_write_any_more() {
    let (reader, writer) = pipe().unwrap();
    let mut launch = sealed("while echo more; do :; done; exit 9");
    launch.output = Some(writer);
    drop(reader);
    let running = launch.spawn();
    // The shell's own write fails, by signal or by error.
    let status = running.end().status;
    assert!([Some(9), Some(128 + 13)].contains(&status), "{status:?}");
}

#[test]
fn a_shield_that_is_killed_leaves_no_end() {
    let mut running = sealed("echo begun; busybox sleep 600").spawn();
    running.wait_for(&format!(":{}:", 1));
    kill_process(running.supervisor(), Signal::KILL).unwrap();
    let found = opened(&running.end());
    assert_eq!((found.text(1), found.end.as_ref()), ("begun\n", None));
}

#[test]
fn a_workload_that_a_signal_ends_has_an_end() {
    let outcome = sealed("kill -9 $$").run().ended_with(128 + 9, MARK);
    assert_eq!(opened(&outcome).end, Some(json!({"status": 137})));
}

#[test]
fn a_workload_that_never_ran_has_no_stream() {
    let mut launch = sealed("");
    launch.manifest["entrypoint"] = json!(["/bin/dangling"]);
    launch.add(json!({"path": "/bin/dangling", "type": "symlink", "target": "none"}));
    let outcome = launch.run().ended_with(127, "/bin/dangling cannot be started");
    outcome.never_says(MARK);
}

#[test]
fn what_is_left_behind_ends_with_the_workload() {
    // It keeps the pipe open, and dies with the name space.
    let outcome = sealed("(busybox setsid busybox sleep 600 &); echo done").run();
    let outcome = outcome.ended_with(0, MARK);
    let found = opened(&outcome);
    assert_eq!((found.text(1), &found.end), ("done\n", &Some(json!({"status": 0}))));
}

#[test]
fn without_a_key_nothing_is_sealed() {
    let configuration = json!({"casemate_configuration": 1, "holes": {}, "files": []});
    let outcome = released(Launch::shell("echo to-be-read"), configuration).run();
    outcome.ended_with(0, "to-be-read\n").never_says(MARK);
}

#[test]
fn the_workload_has_its_pipes_and_nothing_of_the_hosts() {
    let script = "for number in 0 1 2; do busybox readlink /proc/$$/fd/$number; done; busybox ls /proc/$$/fd; :";
    let outcome = sealed(script).run().ended_with(0, MARK);
    let found = opened(&outcome);
    let open: Vec<&str> = found.text(1).lines().collect();
    assert_eq!(open[0], "/dev/null");
    assert!(open[1..3].iter().all(|open| open.starts_with("pipe:")), "{open:?}");
    assert_eq!(open[3..], ["0", "1", "2"]);
}
