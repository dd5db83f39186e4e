//! The supervisor, from its start to the workload's end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use casemate_evidence::{Platform, SimulatedPlatform};
use casemate_sys::{
    Fork, SignalDescriptor, block_signals, end_on_signals, reset_signals, survive_broken_pipes, take_descriptor,
    unblock_signals,
};
use rustix::fs::{FileType, fstat};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::thread::CapabilitySet;

use crate::bundle::Bundle;
use crate::certificate::Folder;
use crate::failure::{Exit, Failure};
use crate::health::listen::Listening;
use crate::init::Ways;
use crate::lease::{Watch, attest_and_renew};
use crate::manifest::Role;
use crate::measured::Measured;
use crate::namespaces::Privilege;
use crate::output::{self, Sealing};
use crate::platform_channel::{Domain, serve};
use crate::release::Granted;
use crate::starting::Starting;
use crate::supervise::{End, until_end};
use crate::volumes::Served;
use crate::{container, image, init, machine, namespaces, release, tell};
use casemate_custodian_client::clock;
use casemate_hardening::{hide, keep_only, stay_out_of_swap};

/// Number of the descriptor that leads to the platform (spec/evidence.md).
const PLATFORM: i32 = 3;
/// Number of the descriptor with the launch bundle (spec/manifest.md).
const BUNDLE: i32 = 4;
/// Most names of dropped variables that are logged: enough for people, no flood.
const MAX_LOGGED_NAMES: usize = 64;

/// What whoever starts the shield may ask of it. Nothing here changes what the workload gets.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Started by a container engine, not by a platform.
    pub container: bool,
    /// Started by hand on a machine with a TPM, not by a platform: the device or socket.
    pub tpm: Option<PathBuf>,
    /// Print one line with the times of the start.
    pub timings: bool,
}

type AnyPlatform = Box<dyn Platform + Send>;
type Domains = Measured<AnyPlatform>;

/// Runs the workload of the launch bundle to its end; its exit status, 128 + the signal if one killed it.
///
/// # Errors
/// [`Failure`], whose `exit` is the exit status to end with.
pub fn run(options: &Options) -> Result<i32, Failure> {
    let began = clock::monotonic();
    let (bundle, platform) = match &options.tpm {
        Some(path) => machine::enter(path, options)?,
        None if options.container => contained(options)?,
        None => launched(options)?,
    };
    let bundle = Arc::new(bundle);
    let (own, inside) = ways(&bundle, options)?;
    let forked = fork_init(&bundle, platform, own, inside)?;
    let init = forked.init;
    let started = start_workload(forked, &bundle, options, began);
    // The channel stays open as long as there is a supervisor: PID 1 looks at it.
    let Started {
        behind,
        served,
        output,
        channel: _channel,
    } = started.inspect_err(|_| end(init))?;
    // Where the lease is over, nothing more is written: what was acknowledged is safe.
    let ended = supervise(init, behind).and_then(|status| served.end().map(|()| status));
    if let Some(output) = output {
        output.end(exit_byte(&ended));
    }
    ended
}

/// What this process ends with. Statuses of processes fit a byte; anything else counts as a failure.
#[must_use]
pub fn exit_byte(ended: &Result<i32, Failure>) -> u8 {
    match ended {
        Ok(status) => u8::try_from(*status).unwrap_or(u8::MAX),
        Err(failure) => failure.exit as u8,
    }
}

/// What a platform that launched this process handed over.
fn launched(options: &Options) -> Result<(Bundle, AnyPlatform), Failure> {
    let platform = take(PLATFORM, Exit::Platform, "the platform's socket")?;
    Ok((handed_over(options)?, simulated(platform)))
}

/// The launch bundle of whoever started this process, on a machine with a TPM or by a platform.
pub(crate) fn handed_over(options: &Options) -> Result<Bundle, Failure> {
    let bundle_file = take(BUNDLE, Exit::Bundle, "the launch bundle")?;
    hide()?;
    start_afresh()?;
    report_dropped(options);
    Bundle::read(File::from(bundle_file)).map_err(|error| Failure::new(Exit::Bundle, error))
}

fn simulated(socket: OwnedFd) -> AnyPlatform {
    Box::new(SimulatedPlatform::from_fd(socket))
}

/// What a container engine that started this process has for it.
fn contained(options: &Options) -> Result<(Bundle, AnyPlatform), Failure> {
    start_afresh()?;
    end_on_signals();
    report_dropped(options);
    let (bundle, platform) = container::enter()?;
    // Not before: the platform's agent may look only at what its user may look at. No secret is known yet.
    hide().map_err(Failure::from)?;
    Ok((bundle, simulated(platform)))
}

/// Attests, and starts the workload with what that gives.
fn start_workload(forked: Forked, bundle: &Arc<Bundle>, options: &Options, began: u64) -> Result<Started, Failure> {
    let Forked {
        mut channel,
        platform,
        own,
        privilege,
        init,
    } = forked;
    let manifest = &bundle.manifest;
    let listening = manifest.health.as_ref().zip(own.checks);
    let listening = listening.map(|(check, checker)| Listening::start(checker, check.timeout));
    if !stay_out_of_swap() {
        warn_of_swap();
    }
    let platform = Measured::new(platform, bundle.manifest.digest);
    let attesting = clock::monotonic();
    let (granted, behind) = obtain(platform, bundle, own.platform)?;
    let Granted {
        mut start,
        volumes,
        image_key,
        output,
        certificate,
    } = granted;
    let attested = clock::monotonic();
    let mut pid_1 = Starting::new(&mut channel, behind.lease());
    let built = pid_1.built()?;
    let devices = pid_1.devices(manifest)?;
    // From here on there may be a workload that wants to hear of signals.
    block_signals().map_err(confinement("signals cannot be blocked"))?;
    let owner = (privilege == Privilege::Full).then_some((start.uid, start.gid));
    if let Some((image, device)) = manifest.image.as_ref().zip(devices.image) {
        image::serve(image, &bundle.layers, image_key.as_ref(), device, privilege)?;
    }
    drop(image_key);
    let served = Served::start(volumes, devices.volumes, bundle, owner)?;
    let sent = pid_1.send(&start);
    start.wipe();
    drop(start);
    // A PID 1 that failed no longer listens; what it reported says why.
    let executed = pid_1.executed()?;
    sent?;
    // The pipes kept what was written since.
    let output = output
        .zip(own.output)
        .map(|(granted, ends)| Sealing::start(&granted, ends));
    let output = output.transpose()?;
    if let Some((certified, folder)) = certificate.zip(devices.certificate.map(Folder::new)) {
        let reload = manifest.ra_tls.as_ref().and_then(|place| place.reload);
        certified.renew_in(folder, reload.map(|reload| (init, reload.signal())))?;
    }
    if let Some(listening) = &listening {
        listening.begin();
    }
    if options.timings {
        print_timings(began, attesting, attested, &Executed { built, executed });
    }
    Ok(Started {
        behind,
        served,
        output,
        channel,
    })
}

/// What goes on while the workload runs.
struct Started {
    behind: Behind,
    served: Served,
    output: Option<Sealing>,
    channel: UnixStream,
}

/// Ends PID 1, which may be unable to end by itself: stopped, or held up by a file of the host; and with it everything
/// in its namespace.
fn end(init: Pid) {
    let _ = kill_process(init, Signal::KILL);
    let _ = waitpid(Some(init), WaitOptions::empty());
}

/// Undoes what whoever started the shield may have ignored or blocked, and refuses folders as standard descriptors:
/// they would lead the workload out of its root.
fn start_afresh() -> Result<(), Failure> {
    reset_signals().map_err(confinement("signals cannot be reset"))?;
    survive_broken_pipes();
    for (number, descriptor) in [stdin(), stdout(), stderr()].into_iter().enumerate() {
        let status = fstat(descriptor).map_err(confinement("a standard descriptor cannot be looked at"))?;
        if FileType::from_raw_mode(status.st_mode) == FileType::Directory {
            return Err(Failure::new(
                Exit::Bundle,
                format!("descriptor {number} is a folder of the host"),
            ));
        }
    }
    Ok(())
}

fn take(number: i32, exit: Exit, what: &str) -> Result<OwnedFd, Failure> {
    take_descriptor(number)
        .map_err(|error| Failure::new(exit, format!("descriptor {number}, {what}, is not there: {error}")))
}

/// The supervisor's ends of the ways into the domain.
struct OwnEnds {
    platform: Option<UnixStream>,
    checks: Option<UnixStream>,
    output: Option<output::Ends>,
}

/// A custodian has a way to its platform, a workload one for what it writes. A health check is for container engines to
/// ask for.
fn ways(bundle: &Bundle, options: &Options) -> Result<(OwnEnds, Ways), Failure> {
    let pair = |is_wanted: bool| -> Result<_, Failure> {
        let pair = is_wanted.then(UnixStream::pair).transpose();
        Ok(pair.map_err(confinement("socketpair"))?.unzip())
    };
    let (own_platform, platform) = pair(bundle.manifest.role == Role::Custodian)?;
    let (own_checks, checks) = pair(bundle.manifest.health.is_some() && options.container)?;
    let is_workload = bundle.manifest.role == Role::Workload;
    let (own_output, output) = is_workload.then(output::pipes).transpose()?.unzip();
    let own = OwnEnds {
        platform: own_platform,
        checks: own_checks,
        output: own_output,
    };
    let ways = Ways {
        platform: platform.map(OwnedFd::from),
        checks,
        output,
    };
    Ok((own, ways))
}

struct Forked {
    init: Pid,
    channel: UnixStream,
    platform: AnyPlatform,
    own: OwnEnds,
    privilege: Privilege,
}

/// Forks PID 1 of the workload's namespace, which gets neither the platform nor our ends.
fn fork_init(bundle: &Bundle, platform: AnyPlatform, own: OwnEnds, inside: Ways) -> Result<Forked, Failure> {
    let (channel, other) = UnixStream::pair().map_err(confinement("socketpair"))?;
    block_signals().map_err(confinement("signals cannot be blocked"))?;
    let (forked, privilege) = namespaces::fork_init()?;
    match forked {
        Fork::Child => {
            drop((channel, platform, own));
            init::run(bundle, privilege, other, inside)
        }
        Fork::Parent(init) => {
            // Until the workload can run, signals end the supervisor as usual, and PID 1 with it.
            unblock_signals().map_err(confinement("signals cannot be unblocked"))?;
            Ok(Forked {
                init,
                channel,
                platform,
                own,
                privilege,
            })
        }
    }
}

/// What works behind a running workload.
enum Behind {
    /// Renews its lease.
    Lease(Watch),
    /// Will answer a custodian's platform channel.
    Channel(UnixStream, Domains, Domain),
}

fn obtain(
    mut platform: Domains,
    bundle: &Arc<Bundle>,
    own_end: Option<UnixStream>,
) -> Result<(Granted, Behind), Failure> {
    let Some(own_end) = own_end else {
        return attest_and_renew(platform, Arc::clone(bundle)).map(|(granted, watch)| (granted, Behind::Lease(watch)));
    };
    let granted = Granted {
        start: release::for_custodian(&mut platform, bundle)?,
        volumes: Vec::new(),
        image_key: None,
        output: None,
        certificate: None,
    };
    let domain = Domain {
        manifest_digest: bundle.manifest.digest,
        manifest_bytes: bundle.manifest_bytes.clone(),
    };
    Ok((granted, Behind::Channel(own_end, platform, domain)))
}

struct Executed {
    built: u64,
    executed: u64,
}

impl Behind {
    fn lease(&self) -> Option<&Watch> {
        match self {
            Self::Lease(watch) => Some(watch),
            Self::Channel(..) => None,
        }
    }
}

fn supervise(init: Pid, behind: Behind) -> Result<i32, Failure> {
    let signals = SignalDescriptor::open().map_err(confinement("signalfd"))?;
    keep_only(CapabilitySet::IPC_LOCK | CapabilitySet::KILL)?;
    let watch = match behind {
        Behind::Lease(watch) => Some(watch),
        Behind::Channel(channel, mut platform, domain) => {
            thread::Builder::new()
                .name("platform".to_owned())
                .spawn(move || serve(channel, &mut platform, &domain))
                .map_err(confinement("a thread for the platform channel"))?;
            None
        }
    };
    match until_end(init, &signals, watch.as_ref()) {
        End::Status(status) => Ok(status),
        End::Stopped(failure) => Err(failure),
    }
}

/// Names what the host offered and the workload does not get; values may be secret and are not shown.
fn report_dropped(options: &Options) {
    let names: Vec<String> = std::env::vars_os()
        .filter(|(name, _)| !(options.container && container::is_offered(name)))
        .map(|(name, _)| printable(&name.to_string_lossy()))
        .collect();
    if !names.is_empty() {
        let shown = names[..names.len().min(MAX_LOGGED_NAMES)].join(" ");
        tell(&format_args!("dropped {} offered variables: {shown}", names.len()));
    }
    let arguments = std::env::args_os()
        .skip(
            1 + usize::from(options.container) + 2 * usize::from(options.tpm.is_some()) + usize::from(options.timings),
        )
        .count();
    if arguments > 0 {
        tell(&format_args!("dropped {arguments} offered arguments"));
    }
}

fn printable(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .take(64)
        .collect()
}

/// Says so if secrets may reach a disk: memory could not be locked and the machine swaps.
fn warn_of_swap() {
    let swaps = std::fs::read_to_string("/proc/swaps").is_ok_and(|table| table.lines().count() > 1);
    if swaps {
        tell(&"warning: memory cannot be locked and this machine swaps: start as root, or switch swap off");
    }
}

fn print_timings(began: u64, attesting: u64, attested: u64, executed: &Executed) {
    let milliseconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1e6;
    tell(&format_args!(
        "timing attest_ms={:.3} root_ms={:.3} exec_ms={:.3} start_ns={began} exec_ns={}",
        milliseconds(attesting, attested),
        milliseconds(began, executed.built),
        milliseconds(began, executed.executed),
        executed.executed,
    ));
}

fn confinement<E: std::fmt::Display>(tried: &str) -> impl FnOnce(E) -> Failure {
    Failure::because(Exit::Confinement, tried)
}
