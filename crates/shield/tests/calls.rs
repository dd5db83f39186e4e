//! System calls that a workload tries, one by one, by a program that does nothing else.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;
mod probe;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use casemate_sys::can_stay_among_own_processes;
use launch::{Launch, Outcome};
use probe::{INT_80, Probe};

const NO_CALL: i32 = -libc::ENOSYS;
const FORBIDDEN: i32 = -libc::EPERM;
/// Set in the number of a call for the x32 ABI (arch/x86/include/uapi/asm/unistd.h).
const X32: i64 = 0x4000_0000;

fn run(probe: Probe) -> Outcome {
    let file = tempfile::NamedTempFile::new().unwrap();
    probe.write(file.path());
    Launch::shell("").with_uid_0().program("/bin/probe", file.path()).run()
}

/// Every call fails as expected; otherwise the exit status is the place in the list of the first that does not, from 1.
#[track_caller]
fn assert_each(calls: &[(i64, &[u64], i32)]) {
    let mut probe = Probe::default();
    for (label, (number, arguments, expected)) in (1..).zip(calls) {
        probe.call(label, *number, arguments, *expected);
    }
    run(probe).ended_with(0, "");
}

#[test]
fn the_probe_tells_which_call_did_not_do_what_was_expected() {
    let mut probe = Probe::default();
    probe.call(1, libc::SYS_getuid, &[], 0);
    // The number after PID 1's and that of the thread that copied the root.
    probe.call(2, libc::SYS_getpid, &[], 3);
    probe.call(3, libc::SYS_getuid, &[], 7);
    run(probe).ended_with(3, "");
}

#[test]
fn ways_into_other_processes_and_the_kernel_do_not_exist() {
    let calls = [
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_process_madvise,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_kexec_load,
        libc::SYS_kexec_file_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_modify_ldt,
        libc::SYS_iopl,
        libc::SYS_ioperm,
        libc::SYS_seccomp,
        libc::SYS_fanotify_init,
        libc::SYS_lookup_dcookie,
        libc::SYS_move_pages,
        libc::SYS_migrate_pages,
    ];
    assert_each(&calls.map(|number| (number, &[][..], NO_CALL)));
}

#[test]
fn ways_to_other_namespaces_and_roots_do_not_exist() {
    let calls = [
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_clone3,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_mount_setattr,
        libc::SYS_name_to_handle_at,
        libc::SYS_open_by_handle_at,
        libc::SYS_swapon,
        libc::SYS_quotactl,
        libc::SYS_reboot,
        libc::SYS_sethostname,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_adjtimex,
        libc::SYS_acct,
        libc::SYS_syslog,
    ];
    assert_each(&calls.map(|number| (number, &[][..], NO_CALL)));
}

#[test]
fn arguments_that_make_a_call_dangerous_are_refused() {
    let signal = libc::SIGCHLD as u64;
    let namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    let flags = namespaces.map(|flag| [flag as u64 | signal]);
    let mut calls: Vec<(i64, &[u64], i32)> = Vec::new();
    calls.extend(flags.iter().map(|flags| (libc::SYS_clone, &flags[..], FORBIDDEN)));
    // vsock, packet, alg, bluetooth, xdp; audit by netlink; the first two ways once more by socketpair.
    let families: [&[u64]; 6] = [&[40, 1], &[17, 3], &[38, 5], &[31, 3], &[44, 3], &[16, 3, 9]];
    calls.extend(families.map(|arguments| (libc::SYS_socket, arguments, FORBIDDEN)));
    calls.push((libc::SYS_socketpair, &[40, 1], FORBIDDEN));
    // TIOCSTI, TIOCLINUX, TIOCSETD; and with bits that the kernel does not look at.
    let requests: [&[u64]; 4] = [&[0, 0x5412], &[0, 0x541c], &[0, 0x5423], &[0, 0xf_0000_5412]];
    calls.extend(requests.map(|arguments| (libc::SYS_ioctl, arguments, FORBIDDEN)));
    calls.push((libc::SYS_personality, &[0x40_0000], FORBIDDEN));
    assert_each(&calls);
}

#[test]
fn what_servers_need_works() {
    // Without a workload's platform channel the first free number would be 3.
    assert_each(&[
        (libc::SYS_socket, &[libc::AF_INET as u64, 1], 4),
        (libc::SYS_socket, &[libc::AF_NETLINK as u64, 3, 0], 5),
        (libc::SYS_socket, &[libc::AF_UNIX as u64, 1], 6),
        (libc::SYS_personality, &[0xffff_ffff], 0),
        (libc::SYS_ioctl, &[0, 0x5401], -libc::ENOTTY),
    ]);
}

#[test]
fn numbers_of_the_x32_interface_do_not_exist() {
    assert_each(&[
        (X32 | libc::SYS_getpid, &[], NO_CALL),
        (X32 | libc::SYS_ptrace, &[], NO_CALL),
        // execve and ptrace have numbers of their own there.
        (X32 | 520, &[], NO_CALL),
        (X32 | 521, &[], NO_CALL),
    ]);
}

#[test]
fn calls_of_32_bit_programs_end_the_workload() {
    let mut probe = Probe::default();
    // getpid of i386.
    probe.call_by(INT_80, 1, 20, &[], 2);
    let status = run(probe).status.unwrap();
    // The second where the kernel has no such calls at all.
    assert!([128 + libc::SIGSYS, 128 + libc::SIGSEGV].contains(&status), "{status}");
}

#[test]
fn abstract_sockets_of_the_host_are_out_of_reach() {
    let name = format!("casemate-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    // Whoever is not confined gets through: the test would notice if nobody did.
    UnixStream::connect_addr(&address).unwrap();
    if !can_stay_among_own_processes().unwrap() {
        eprintln!("skipped: before Linux 6.12 nothing keeps these apart but a network of one's own");
        return;
    }
    let mut probe = Probe::default();
    let bytes = [&[1, 0, 0], name.as_bytes()].concat();
    let at = probe.address_of_data(&bytes);
    probe.call(1, libc::SYS_socket, &[libc::AF_UNIX as u64, 1], 4);
    probe.call(2, libc::SYS_connect, &[4, at, bytes.len() as u64], FORBIDDEN);
    run(probe).ended_with(0, "");
}
