//! One test for each rule of spec/manifest.md: a good manifest passes, one change of it is refused for that reason.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn good() -> Value {
    let digest = format!("sha256:{}", "0a".repeat(32));
    json!({
        "casemate_manifest": 1, "role": "workload", "custodian": digest,
        "policy": {"name": "acme/records", "genesis": digest, "service": "api"},
        "root": [
            {"path": "/bin/x", "type": "file", "digest": digest, "size": 3, "mode": "0755"},
            {"path": "/data", "type": "directory", "mode": "0700"},
            {"path": "/lib", "type": "symlink", "target": "usr/lib"}],
        "writable": [{"path": "/tmp", "mode": "1777", "size": 4096}],
        "mounts": [{"path": "/data", "access": "read"}],
        "files": ["/run/secrets/key"], "entrypoint": ["/bin/x", "-v"], "arguments": ["--port={{ hole.port }}"],
        "environment": {"TOKEN": "{{ hole.token }}"},
        "holes": {"port": {"pattern": "[0-9]+", "from": "host"}, "token": {"pattern": ".+", "from": "policy"}},
        "user": {"uid": 7, "gid": 8}, "working_directory": "/"})
}

fn parse(value: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(value.to_string().as_bytes())
}

/// The reason why the good manifest with `value` at `pointer` is refused.
#[track_caller]
fn refused(pointer: &str, value: Value) -> String {
    let mut manifest = good();
    let (parent, name) = pointer.rsplit_once('/').expect("pointer");
    match manifest.pointer_mut(parent).expect("parent") {
        Value::Object(fields) if value.is_null() => drop(fields.remove(name)),
        Value::Object(fields) => drop(fields.insert(name.to_owned(), value)),
        Value::Array(items) => items[name.parse::<usize>().expect("index")] = value,
        _ => unreachable!("a list or an object"),
    }
    parse(&manifest).expect_err(pointer).to_string()
}

#[track_caller]
fn assert_refused(pointer: &str, value: Value, reason: &str) {
    let got = refused(pointer, value);
    assert!(got.contains(reason), "{pointer}: {got:?} does not say {reason:?}");
}

#[test]
fn a_good_manifest_is_read_with_the_digest_of_its_bytes() {
    let bytes = good().to_string();
    let manifest = Manifest::parse(bytes.as_bytes()).expect("good");
    assert_eq!(manifest.digest, <[u8; 32]>::from(Sha256::digest(&bytes)));
    assert_eq!(manifest.user, Some(User { uid: 7, gid: 8 }));
    assert_eq!(
        manifest.root[0].kind,
        RootKind::File {
            digest: [10; 32],
            size: 3,
            mode: 0o755
        }
    );
}

#[test]
fn only_the_canonical_spelling_passes() {
    let text = good().to_string();
    for spelled in [
        format!(" {text}"),
        text.replace("\"size\":3", "\"size\": 3"),
        text.replace("acme", "\\u0061cme"),
    ] {
        assert_eq!(
            Manifest::parse(spelled.as_bytes()),
            Err(ManifestError::NotCanonical),
            "{spelled}"
        );
    }
    let mut explicit = good();
    explicit["user"] = Value::Null;
    assert_eq!(parse(&explicit), Err(ManifestError::NotCanonical));
}

#[test]
fn names_that_come_twice_are_refused() {
    let text = good().to_string();
    for (one, two) in [
        ("\"files\":", "\"files\":[],\"files\":"),
        ("{\"TOKEN\":", "{\"TOKEN\":\"\",\"TOKEN\":"),
        (
            "{\"port\":",
            "{\"port\":{\"from\":\"host\",\"pattern\":\"a\"},\"port\":",
        ),
    ] {
        let error = Manifest::parse(text.replacen(one, two, 1).as_bytes()).expect_err(two);
        assert!(
            matches!(&error, ManifestError::Malformed(why) if why.contains("twice") || why.contains("duplicate")),
            "{error}"
        );
    }
}

#[test]
fn fields_outside_their_form_are_refused() {
    assert_refused("/casemate_manifest", json!(2), "the only format known");
    assert_refused("/more", json!(1), "unknown field");
    assert_refused("/root/0/more", json!(1), "unknown field");
    assert_refused("/root/0/target", json!("x"), "exactly the fields of its type");
    assert_refused("/root/0/digest", json!("sha256:0"), "64 lower-case");
    assert_refused("/root/0/size", json!(1_u64 << 53), "2^53 - 1");
    assert_refused("/root/0/size", json!(1.5), "malformed");
    for mode in ["4755", "2755", "1755", "755", "0788", "+755", "00755"] {
        assert_refused("/root/0/mode", json!(mode), "octal");
    }
    assert_refused("/root/2/target", json!(""), "1 to 4,095");
    assert_refused("/root/2/target", json!("a".repeat(4096)), "1 to 4,095");
    assert_refused("/writable/0/size", json!(4095), "between 4,096");
    assert_refused("/user/uid", json!(1_u32 << 31), "2^31 - 1");
    assert_refused("/working_directory", json!("x"), "absolute");
    assert_refused("/environment/A=B", json!(""), "letters, digits and _");
    assert_refused("/arguments/0", json!("a\0"), "free of NUL");
    assert_refused("/policy/name", json!("Acme/records"), "policy.name");
    assert_refused("/policy/service", json!(""), "policy.service");
}

#[test]
fn roles_have_their_fields_and_no_others() {
    assert_refused("/custodian", Value::Null, "a workload names");
    assert_refused("/policy", Value::Null, "a workload names");
    assert_refused("/role", json!("custodian"), "a custodian names no");
    assert_refused("/role", json!("other"), "malformed");
}

#[test]
fn paths_keep_their_rules() {
    let at = "/writable/0/path";
    for path in [
        "tmp",
        "/",
        "/a/",
        "/a//b",
        "/a/./b",
        "/a/../b",
        "/a\n",
        "/proc",
        "/proc/x",
        "/dev/shm",
        "/sys",
        "/run/casemate/x",
    ] {
        refused(at, json!(path));
    }
    assert_refused(at, json!(format!("/{}", "a".repeat(4095))), "longer");
    assert_refused("/root/0/path", json!("/m"), "not sorted");
    assert_refused("/root/1/path", json!("/bin/x/y"), "below a file");
    assert_refused(at, json!("/lib/x"), "on or below a file");
    assert_refused(at, json!("/bin"), "would hide");
    assert_refused(at, json!("/data"), "there twice");
    assert_refused(at, json!("/data/x"), "inside another");
    assert_refused("/files/0", json!("/etc/key"), "not below /run");
    assert_refused("/files/0", json!("/runx"), "not below /run");
    assert_refused("/files", json!(["/run/a", "/run/a/b"]), "below a file");
}

#[test]
fn the_program_is_part_of_the_root() {
    assert_refused("/entrypoint/0", json!("/bin/y"), "no file or symbolic link");
    assert_refused("/entrypoint/0", json!("/data"), "no file or symbolic link");
    assert_refused("/entrypoint", json!([]), "0 members");
}

#[test]
fn holes_are_declared_used_and_kept_from_loaders() {
    assert_refused("/arguments/0", json!("x"), "declared but not used");
    assert_refused(
        "/arguments/0",
        json!("{{ hole.port }}{{ hole.x }}"),
        "used but not declared",
    );
    assert_refused("/arguments/0", json!("{{ hole.port }"), "'{{'");
    assert_refused("/entrypoint/1", json!("{{ hole.port }}"), "has no holes");
    assert_refused("/environment/LD_PRELOAD", json!("{{ hole.port }}"), "steers a loader");
    assert_refused("/environment/PATH", json!("{{ hole.port }}"), "steers a loader");
    assert_refused("/holes/port/pattern", json!("(?i)x"), "look-around, flags");
    assert_refused("/holes/port/from", json!("me"), "malformed");
}

#[test]
fn limits_hold_at_their_value_and_refuse_over_it() {
    for (field, most) in [
        ("files", 64),
        ("arguments", 1024),
        ("mounts", 16),
        ("volumes", 16),
        ("writable", 64),
    ] {
        let item = |n: usize| match field {
            "files" => json!(format!("/run/f{n:05}")),
            "volumes" => json!({"path": format!("/v{n:05}")}),
            "mounts" => json!({"path": format!("/m{n:05}"), "access": "read"}),
            "writable" => json!({"path": format!("/w{n:05}"), "mode": "0700", "size": 4096}),
            _ => json!("{{ hole.port }}"),
        };
        let mut manifest = good();
        manifest[field] = (0..most).map(item).collect();
        parse(&manifest).expect(field);
        manifest[field] = (0..=most).map(item).collect();
        assert!(matches!(parse(&manifest), Err(ManifestError::Count { .. })), "{field}");
    }
    let oversized = vec![b' '; MAX_MANIFEST_BYTES + 1];
    assert_eq!(
        Manifest::parse(&oversized),
        Err(ManifestError::TooLarge {
            got: MAX_MANIFEST_BYTES + 1
        })
    );
}

proptest! {
    #[test]
    fn any_bytes_give_a_manifest_or_an_error(data: Vec<u8>) {
        let _ = Manifest::parse(&data);
    }

    #[test]
    fn any_damage_to_a_manifest_gives_another_manifest_or_an_error(at in 0usize..1000, byte: u8, cut in 0usize..1000) {
        let mut data = good().to_string().into_bytes();
        let length = data.len();
        data[at % length] = byte;
        let _ = Manifest::parse(&data);
        data.truncate(cut % length);
        let _ = Manifest::parse(&data);
    }

    #[test]
    fn any_pattern_and_text_are_judged(pattern in ".{0,40}", text in ".{0,60}") {
        let _ = crate::holes::Pattern::new(&pattern);
        let _ = crate::holes::names(&text);
    }
}
