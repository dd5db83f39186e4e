//! The shield on a machine with a TPM (spec/manifest.md, "On a machine with a TPM").
//!
//! Nobody measures the shield here: whoever booted the machine did, into PCR 11. The shield binds its manifest to PCR 15,
//! which can be done once until the machine starts anew, before any code of the workload runs.

use std::path::Path;

use casemate_evidence::tpm::{Key, TpmPlatform};
use casemate_evidence::{Error, Platform};

use crate::bundle::Bundle;
use crate::failure::{Exit, Failure};
use crate::manifest::Role;
use crate::run::{Options, handed_over};
use crate::tell;

/// Reads the bundle, and binds its manifest to the machine.
///
/// # Errors
/// [`Exit::Bundle`] for what does not fit, [`Exit::Platform`] where no TPM answers, [`Exit::Measurement`] where it was
/// bound before.
pub fn enter(path: &Path, options: &Options) -> Result<(Bundle, Box<dyn Platform + Send>), Failure> {
    let bundle = handed_over(options)?;
    if bundle.manifest.role == Role::Custodian {
        return Err(Failure::with_its_own_cure(
            Exit::Platform,
            "a TPM gives no keys that seal a custodian's store: start the custodian on another platform",
        ));
    }
    let mut tpm = TpmPlatform::open(path, Key::Usual).map_err(failed)?;
    tpm.bind(&bundle.manifest.digest).map_err(failed)?;
    tell(&"platform tpm: it vouches for what was started, and keeps nobody from reading this machine's memory");
    Ok((bundle, Box::new(tpm)))
}

fn failed(error: Error) -> Failure {
    match error {
        Error::Bound(_) => Failure::with_its_own_cure(Exit::Measurement, error),
        error => Failure::with_its_own_cure(Exit::Platform, format!("the TPM cannot be used: {error}")),
    }
}
