//! What a workload sees and may do. Needs root and busybox.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::sync::Arc;

use casemate_testing::{Custodian, Server};
use launch::{Launch, POLICY};
use serde_json::json;

const EVIDENCE: &str = r#"{"op":"evidence","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "custodian":"sha256:0000000000000000000000000000000000000000000000000000000000000000",
    "signing_key":"ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "hpke_key":"x25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

#[test]
fn the_workload_runs_as_its_user_without_capabilities() {
    let script = "busybox id; busybox grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status";
    let mut launch = Launch::shell(script);
    // What whoever started the shield has is not the workload's.
    let more = [
        "setpriv",
        "--groups=4,24",
        "--inh-caps=+net_raw",
        "--ambient-caps=+net_raw",
        "--",
    ];
    launch.runner = more.map(String::from).to_vec();
    let mut outcome = launch.run().ended_with(0, "uid=1000 gid=1000");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        outcome = outcome.says(&format!("{set}:\t0000000000000000"));
    }
    outcome.says("NoNewPrivs:\t1").says("Seccomp:\t2").says("Groups:\t \n");
}

#[test]
fn the_workload_has_namespaces_of_its_own_but_for_the_network() {
    let script = "for n in mnt pid ipc uts net; do busybox readlink /proc/self/ns/$n; done";
    let mut outcome = Launch::shell(script).run().ended_with(0, "net:");
    for name in ["mnt", "pid", "ipc", "uts"] {
        let ours = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        outcome = outcome.says(&format!("{name}:[")).never_says(ours.to_str().unwrap());
    }
}

#[test]
fn permissions_of_files_do_not_depend_on_the_hosts_mask() {
    let script = "umask; busybox stat -c %a /bin/busybox /tmp; echo > /tmp/x; busybox stat -c %a /tmp/x";
    let mut launch = Launch::shell(script);
    for mask in ["077", "000"] {
        let runner = format!(r#"umask {mask}; exec "$@""#);
        launch.runner = ["sh", "-c", &runner, "sh"].map(String::from).to_vec();
        launch.run().ended_with(0, "0022\n755\n1777\n644\n");
    }
}

#[test]
fn the_root_holds_what_the_manifest_names_and_cannot_be_changed() {
    let script = "busybox ls /; busybox touch /bin/x; busybox touch /x; echo ok > /tmp/x && busybox cat /tmp/x";
    let outcome = Launch::shell(script)
        .with_uid_0()
        .run()
        .ended_with(0, "bin\ndev\nproc\ntmp\n");
    outcome.says_times(2, "Read-only file system").says("ok\n");
}

#[test]
fn writable_memory_is_limited_to_its_size() {
    if !kernel_has_noswap() {
        eprintln!("skipped: before Linux 6.4 only ramfs never swaps, which knows no limit");
        return;
    }
    let script = "busybox dd if=/dev/zero of=/tmp/x bs=4096 count=17";
    Launch::shell(script).run().ended_with(1, "No space left on device");
}

/// Whether tmpfs has the option `noswap` (Linux 6.4).
fn kernel_has_noswap() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(4))
}

#[test]
fn writables_have_their_mode_and_owner_and_ignore_devices_and_set_id_bits() {
    let script = "busybox stat -c '%a %u:%g' /tmp; busybox grep ' /tmp ' /proc/mounts";
    Launch::shell(script)
        .run()
        .ended_with(0, "1777 1000:1000")
        .says("nosuid,nodev");
}

#[test]
fn dev_is_minimal_and_works() {
    let script =
        "busybox ls /dev; echo x > /dev/null; busybox head -c 4 /dev/urandom | busybox wc -c; echo y > /dev/shm/y";
    Launch::shell(script).run().ended_with(
        0,
        "fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n4\n",
    );
}

#[test]
fn the_hosts_device_nodes_cannot_be_changed_by_uid_0() {
    // Nothing that would do harm if it worked: they are this machine's.
    let script = "busybox chmod 666 /dev/null; busybox chown 0:0 /dev/zero; busybox touch /dev/full";
    Launch::shell(script)
        .with_uid_0()
        .run()
        .says_times(3, "Read-only file system");
}

#[test]
fn only_the_standard_descriptors_and_the_platform_channel_stay_open() {
    let script =
        "for n in 3 4 5 6 7 8 9 10 251; do [ -e /proc/$$/fd/$n ] && echo open $n; done; echo $CASEMATE_PLATFORM_FD";
    let mut launch = Launch::shell(script);
    // What a careless platform leaves open does not get in either.
    launch.runner = ["sh", "-c", r#"exec "$@" 7</ 8>/dev/null"#, "sh"]
        .map(String::from)
        .to_vec();
    launch.run().ended_with(0, "open 3\n3\n");
}

#[test]
fn a_custodian_gets_its_sealing_key_and_evidence_over_the_platform_channel() {
    let evidence = EVIDENCE.replace("\n    ", "");
    let script = format!(
        r#"ask() {{ busybox printf "$1" >&3; busybox printf '%s' "$2" >&3; busybox dd bs=65536 count=1 <&3 2>/dev/null | busybox tail -c +5; echo; }}
        ask '\0\0\0\024' '{{"op":"sealing_key"}}'
        ask '\0\0\0\017' '{{"op":"report"}}'
        ask '\0\0\{:03o}\{:03o}' '{evidence}'"#,
        evidence.len() / 256,
        evidence.len() % 256,
    );
    let outcome = Launch::shell(&script).run().ended_with(0, r#"{"key":""#);
    outcome
        .says("malformed request")
        .says(r#"{"endorsements":{"certificates":"","crls":[]},"evidence""#);
}

#[test]
fn namespaces_mounts_and_the_shield_itself_are_out_of_reach() {
    let script = "busybox unshare -U true; busybox mount -t tmpfs x /tmp; busybox cat /proc/1/environ; busybox ls /proc/1/fd; echo end";
    let outcome = Launch::shell(script).run().ended_with(0, "end");
    outcome.says("unshare").says("mount").says_times(2, "Permission denied");
}

#[test]
fn a_workload_with_uid_0_cannot_change_the_machine_either() {
    // What is there already: the second is this machine's.
    let script = "echo x > /proc/sys/kernel/hostname; was=$(busybox cat /proc/sys/vm/overcommit_memory); \
                  echo $was > /proc/sys/vm/overcommit_memory; \
                  busybox cat /proc/1/environ; busybox cat /proc/1/mem; busybox hostname";
    let outcome = Launch::shell(script).with_uid_0().run().ended_with(0, "casemate\n");
    outcome
        .says_times(2, "Read-only file system")
        .says_times(2, "Permission denied");
}

#[test]
fn proc_shows_processes_and_usual_facts_and_nothing_of_the_rest_of_the_machine() {
    let script = "for f in keys kpagecount kpageflags kallsyms iomem timer_list slabinfo sysrq-trigger mtrr interrupts; do \
                  [ -e /proc/$f ] && busybox head -c 8 /proc/$f; done | busybox wc -c; \
                  busybox ls /proc/acpi /proc/bus /proc/driver /proc/fs /proc/irq | busybox grep -vc : ; \
                  busybox grep -c MemTotal /proc/meminfo; busybox cat /proc/sys/vm/overcommit_memory >/dev/null && echo read";
    let outcome = Launch::shell(script).with_uid_0().run().ended_with(0, "1\nread\n");
    assert!(outcome.output.contains("\n0\n"), "{}", outcome.output);
}

#[test]
fn a_crash_leaves_nothing_for_the_hosts_collector_of_dumps() {
    let script = "busybox cat /proc/self/coredump_filter; busybox grep -F 'core file' /proc/self/limits";
    let outcome = Launch::shell(script).run().ended_with(0, "00000000\n");
    // At 1 the kernel starts no collector; at 0 it would.
    let limits: Vec<&str> = outcome.output.split_whitespace().collect();
    assert!(limits.ends_with(&["1", "1", "bytes"]), "{}", outcome.output);
}

#[test]
fn addresses_are_random_whatever_the_host_chose() {
    let mut launch = Launch::shell("busybox cat /proc/self/personality");
    launch.runner = ["setarch", "x86_64", "-R"].map(String::from).to_vec();
    launch.run().ended_with(0, "00000000\n");
}

#[test]
fn host_folders_are_read_only_if_the_manifest_says_so_and_never_executable() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(launch::BUSYBOX, folder.path().join("b")).unwrap();
    let mut launch = Launch::shell("echo x > /data/y; /data/b true; echo $?").with_uid_0();
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "read"}]);
    launch.mounts = json!({"/data": folder.path()});
    launch.run().ended_with(0, "126\n").says("Read-only file system");
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "write"}]);
    launch.run().ended_with(0, "126\n");
    assert_eq!(std::fs::read_to_string(folder.path().join("y")).unwrap(), "x\n");
}

#[test]
fn links_in_host_folders_lead_nowhere_outside_the_private_root() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../../../etc/passwd", folder.path().join("relative")).unwrap();
    let mut launch =
        Launch::shell("busybox cat /data/absolute /data/relative; busybox ls /data/../..; echo end").with_uid_0();
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "write"}]);
    launch.mounts = json!({"/data": folder.path()});
    let outcome = launch.run().ended_with(0, "bin\ndata\ndev\nproc\ntmp\nend\n");
    outcome.says_times(2, "No such file or directory");
}

#[test]
fn folders_that_lead_to_the_kernel_are_not_mounted() {
    let mut launch = Launch::shell("echo ran");
    launch.manifest["mounts"] = json!([{"path": "/data", "access": "read"}]);
    for folder in ["/sys", "/proc", "/proc/self/fd", "/dev/pts"] {
        launch.mounts = json!({"/data": folder});
        let words = format!("{folder} cannot be mounted: it belongs to the kernel");
        launch.run().ended_with(70, &words).never_says("ran");
    }
    for (folder, why) in [("/etc/passwd", "it is no folder"), ("/none", "No such file")] {
        launch.mounts = json!({"/data": folder});
        let words = format!("{folder} cannot be mounted: {why}");
        launch.run().ended_with(70, &words).never_says("ran");
    }
}

#[test]
fn a_workload_of_uid_0_keeps_the_capabilities_that_the_manifest_names_and_no_others() {
    let script = "busybox grep -E '^(Cap|NoNewPrivs)' /proc/self/status; busybox touch /tmp/x; \
                  busybox chown 7:8 /tmp/x && busybox stat -c '%u:%g' /tmp/x; busybox mknod /tmp/d c 1 3; \
                  busybox setuidgid 7:8 busybox id -u";
    let (custodian, server) = asked();
    let mut launch = Launch::workload(script, &custodian, &[server]).with_uid_0();
    launch.manifest["capabilities"] = json!(["chown", "setgid", "setuid"]);
    let mut outcome = launch.run().says("7:8\n");
    for (set, bits) in [
        ("CapInh", 0),
        ("CapPrm", 0xc1),
        ("CapEff", 0xc1),
        ("CapBnd", 0xc1),
        ("CapAmb", 0),
    ] {
        outcome = outcome.says(&format!("{set}:\t{bits:016x}"));
    }
    outcome
        .says("NoNewPrivs:\t1")
        .says("mknod: /tmp/d: Operation not permitted");
    launch.manifest["user"] = json!({"uid": 1000, "gid": 1000});
    let mut outcome = launch.run();
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        outcome = outcome.says(&format!("{set}:\t{:016x}", 0));
    }
}

/// A custodian that releases nothing in particular, and its address.
fn asked() -> (Arc<Custodian>, String) {
    let custodian = Arc::new(Custodian::new());
    let own = Arc::clone(&custodian);
    let nothing = json!({"casemate_configuration": 1, "holes": {}, "files": []});
    let server = Server::answering(move |request| own.genuine(request, POLICY, &nothing));
    (custodian, server.address())
}
