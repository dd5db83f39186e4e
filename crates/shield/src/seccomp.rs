//! The default system call filter.
//!
//! Two filters, of which the stricter answer counts. The first admits only the calls on a list, on one architecture:
//! whatever is not on it (calls of newer kernels, the x32 numbers) does not exist. The second says EPERM to the
//! listed calls where their arguments make them dangerous.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::failure::{Exit, Failure};

mod calls;

/// Flags of clone(2) and unshare(2) that make namespaces.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64
    | CLONE_NEWTIME;
/// include/uapi/linux/sched.h; the C library's headers have it as a different type.
const CLONE_NEWTIME: u64 = 0x80;

/// Families of sockets that a server needs. No vsock (the way to the host) and none whose code few programs use.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Terminal requests that put words into the mouth of whoever types (TIOCSTI, TIOCLINUX), or load another line
/// discipline under his terminal (TIOCSETD).
const TERMINAL: [u64; 3] = [0x5412, 0x541c, 0x5423];
/// The part of netlink that programs use, to ask for addresses and routes (linux/netlink.h).
const NETLINK_ROUTE: u64 = 0;

/// Personalities of programs: that of Linux, and the question which one it is.
const PERSONALITIES: [u64; 2] = [0, 0xffff_ffff];

/// The filters, compiled before the workload's process exists.
#[derive(Debug)]
pub struct Filters([BpfProgram; 2]);

impl Filters {
    /// Compiles them.
    ///
    /// # Errors
    /// [`Exit::Confinement`] on an architecture that the filters do not know.
    pub fn compile() -> Result<Self, Failure> {
        let refused = Failure::because(Exit::Confinement, "the system call filter cannot be made");
        build().map(Self).map_err(refused)
    }

    /// Installs them for this thread and all that comes after it. Needs no_new_privs.
    ///
    /// # Errors
    /// [`Exit::Confinement`].
    pub fn install(&self) -> Result<(), Failure> {
        // The one that admits a list comes last: it no longer admits seccomp(2) itself.
        let [admitted, refused] = &self.0;
        for program in [refused, admitted] {
            seccompiler::apply_filter(program).map_err(Failure::because(
                Exit::Confinement,
                "the system call filter cannot be installed",
            ))?;
        }
        Ok(())
    }
}

fn build() -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let admitted = calls::ADMITTED.iter().map(|call| (*call, Vec::new())).collect();
    // ENOSYS lets programs fall back to older calls, clone3 among them, whose flags no filter can read.
    let missing = SeccompAction::Errno(libc::ENOSYS as u32);
    let forbidden = SeccompAction::Errno(libc::EPERM as u32);
    let list = SeccompFilter::new(admitted, missing, SeccompAction::Allow, architecture)?;
    let arguments = SeccompFilter::new(dangerous()?, SeccompAction::Allow, forbidden, architecture)?;
    Ok([list.try_into()?, arguments.try_into()?])
}

fn dangerous() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules = BTreeMap::new();
    let mut namespaces = Vec::new();
    for bit in (0..u64::BITS)
        .map(|shift| 1 << shift)
        .filter(|bit| NAMESPACES & bit != 0)
    {
        namespaces.push(rule(&[(0, SeccompCmpOp::MaskedEq(bit), bit)])?);
    }
    rules.insert(libc::SYS_clone, namespaces);
    let requests = TERMINAL.iter().map(|request| rule(&[(1, SeccompCmpOp::Eq, *request)]));
    rules.insert(libc::SYS_ioctl, requests.collect::<Result<_, _>>()?);
    let other = |allowed: &[u64]| rule(&allowed.iter().map(|v| (0, SeccompCmpOp::Ne, *v)).collect::<Vec<_>>());
    rules.insert(libc::SYS_personality, vec![other(&PERSONALITIES)?]);
    let families = FAMILIES.map(|family| family as u64);
    let netlink = [
        (0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64),
        (2, SeccompCmpOp::Ne, NETLINK_ROUTE),
    ];
    rules.insert(libc::SYS_socket, vec![other(&families)?, rule(&netlink)?]);
    rules.insert(libc::SYS_socketpair, vec![other(&families)?]);
    Ok(rules)
}

/// One rule whose conditions, each (argument, comparison, value) over the low 32 bits, must all hold.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = |(argument, comparison, value): &(u8, SeccompCmpOp, u64)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, comparison.clone(), *value)
    };
    SeccompRule::new(conditions.iter().map(condition).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_into_other_processes_the_kernel_or_other_namespaces_is_admitted() {
        let never = [
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_getfd,
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_mount_setattr,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_userfaultfd,
            libc::SYS_open_by_handle_at,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_clone3,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_reboot,
            libc::SYS_chroot,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_acct,
            libc::SYS_syslog,
            libc::SYS_quotactl,
            libc::SYS_kcmp,
        ];
        for call in never {
            assert!(!calls::ADMITTED.contains(&call), "system call {call}");
        }
    }

    #[test]
    fn the_filters_fit_the_kernel() {
        let filters = Filters::compile().expect("compiled");
        // BPF_MAXINSNS of linux/bpf_common.h.
        assert!(filters.0.iter().all(|program| program.len() <= 4096));
    }
}
