//! The shield as the entry point of a container (spec/manifest.md, "Inside a container").
//!
//! Everything there is the engine's, and so the host's: files, mounts, environment, arguments. This makes the launch
//! bundle out of what is expected of it and refuses or drops the rest; the bundle's own rules come after that.

mod files;
mod mounts;

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::Path;

use casemate_evidence::join_simulated;
use rustix::process::getpid;

use crate::bundle::Bundle;
use crate::failure::{Exit, Failure};
use crate::tell;

/// What a protected image holds besides its sealed layers.
const FOLDER: &str = "/casemate";
/// Where the engine mounts the socket of the simulated platform (spec/evidence.md).
const SOCKET: &str = "/run/casemate/platform.sock";
/// Where the custodian is reached, if not where the image says.
const CUSTODIAN: &str = "CASEMATE_CUSTODIAN";
/// What the names of variables with values of holes begin with.
const HOLE: &str = "CASEMATE_HOLE_";

/// Reads the bundle, and joins the platform as the domain of its manifest.
///
/// # Errors
/// [`Exit::Bundle`] for what does not fit, [`Exit::Confinement`] for a process that is not the container's first,
/// [`Exit::Platform`] where nothing lets it join.
pub fn enter() -> Result<(Bundle, OwnedFd), Failure> {
    if getpid().as_raw_nonzero().get() != 1 {
        return Err(Failure::with_its_own_cure(
            Exit::Confinement,
            "the shield is not the first process of this container: start a container of its own, without --init and \
             in a PID namespace of its own",
        ));
    }
    let bundle = files::bundle(Path::new(FOLDER), offered())?;
    mounts::check(&bundle.manifest)?;
    let joined = join_simulated(Path::new(SOCKET), &bundle.manifest.digest);
    let (platform, _) = joined.map_err(|error| {
        Failure::with_its_own_cure(
            Exit::Platform,
            format!(
                "{SOCKET}: {error}; start the container with --volume SOCKET:{SOCKET}, where SOCKET is that of \
                 `casemate platform simulate --containers SOCKET`; there is no fall-back from one platform to another"
            ),
        )
    })?;
    tell(&"platform simulated-container: it protects nothing, and whoever reaches its socket can be anything");
    Ok((bundle, platform))
}

/// Whether a variable of the engine's is looked at; everything else is dropped.
pub fn is_offered(name: &OsStr) -> bool {
    name == CUSTODIAN || name.as_encoded_bytes().starts_with(HOLE.as_bytes())
}

fn offered() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| is_offered(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_process_of_a_container_enters() {
        let failure = enter().expect_err("this is a process of a test");
        assert!(failure.cause.contains("is not the first process"), "{failure}");
        assert_eq!(failure.exit as i32, Exit::Confinement as i32);
    }

    #[test]
    fn little_of_what_an_engine_offers_is_looked_at() {
        let offered = |name: &str| is_offered(OsStr::new(name));
        assert!(offered("CASEMATE_CUSTODIAN") && offered("CASEMATE_HOLE_port"));
        assert!(!offered("PATH") && !offered("CASEMATE_CUSTODIANS") && !offered("CASEMATE_HOL"));
    }
}
