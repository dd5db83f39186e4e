//! The shield: measures, attests, confines, starts and supervises one workload.
//!
//! Read in this order: [`run`] (the supervisor, one step after the other), [`manifest`] and [`bundle`] (what is run),
//! [`release`] (who gets what), [`init`] (PID 1), [`root`] (the private root), [`workload`] (the last steps before exec).
//!
//! Two processes work at the same time before the workload starts: the supervisor attests while PID 1, forked before
//! any secret is known, builds the private root. The configuration goes from one to the other in one message.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod bundle;
pub mod failure;
pub mod health;
pub mod holes;
pub mod manifest;
pub mod run;

mod certificate;
mod client_exit;
mod container;
mod devices;
mod digests;
mod handover;
mod image;
mod init;
mod lease;
mod machine;
mod measured;
mod namespaces;
mod output;
mod platform_channel;
mod release;
mod root;
mod seccomp;
mod starting;
mod strict_json;
mod supervise;
mod volumes;
mod workload;

/// Parsers of what comes from outside and is not public otherwise, for fuzzing: any bytes give a value or an error.
pub mod parsers {
    /// A request of a custodian over its platform channel, answered by a platform that knows nothing.
    #[must_use]
    pub fn channel_request(bytes: &[u8], platform: &mut dyn casemate_evidence::Platform) -> bool {
        let domain = crate::platform_channel::Domain {
            manifest_bytes: Vec::new(),
            manifest_digest: [0; 32],
        };
        crate::platform_channel::answer(bytes, platform, &domain).is_ok()
    }
}

/// One line for people on standard error. Nothing depends on whether somebody still reads it.
pub fn tell(line: &impl std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "casemate-shield: {line}");
}
