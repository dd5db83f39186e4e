//! How the shield ends when it cannot do its work: one line, one documented exit status.

use std::fmt;

/// Why the shield ended, as its exit status. A status is never reused for another reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The launch bundle is missing, malformed, or does not fit its manifest.
    Bundle = 64,
    /// The manifest is not the one that the platform bound to this domain, or a measured file differs from it.
    Measurement = 65,
    /// The platform gives no evidence or no key.
    Platform = 66,
    /// The custodian refused, with its signature.
    Refused = 67,
    /// No custodian answered.
    Unreachable = 68,
    /// Whoever answered could not prove to be the custodian, or released what does not fit the manifest.
    NotGenuine = 69,
    /// The workload cannot be confined here.
    Confinement = 70,
    /// The lease ended without a renewal.
    LeaseEnded = 71,
    /// The custodian revoked the lease.
    LeaseRevoked = 72,
    /// A sealed volume cannot be used: tampered with, rolled back, held by another writer, or not to be mounted here.
    Volume = 73,
    /// The program exists and cannot be executed.
    NotExecutable = 126,
    /// The program, its interpreter or its loader is not in the private root.
    NotFound = 127,
}

impl Exit {
    const ALL: [Self; 12] = [
        Self::Bundle,
        Self::Measurement,
        Self::Platform,
        Self::Refused,
        Self::Unreachable,
        Self::NotGenuine,
        Self::Confinement,
        Self::LeaseEnded,
        Self::LeaseRevoked,
        Self::Volume,
        Self::NotExecutable,
        Self::NotFound,
    ];

    /// The reason behind a status, `None` when it is a workload's.
    #[must_use]
    pub fn from_status(status: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| *exit as u8 == status)
    }

    /// What to do about it.
    #[must_use]
    pub fn cure(self) -> &'static str {
        match self {
            Self::Bundle => "start the workload with `casemate run`, or build the manifest anew",
            Self::Measurement => "restore what was measured, or build a new manifest and have it approved",
            Self::Platform => "check that the platform runs and started this shield itself",
            Self::Refused => "show the decision's id to whoever may read the policy: `casemate why ID`",
            Self::Unreachable => "check the custodian's addresses and that it runs",
            Self::NotGenuine => "check which custodian the addresses lead to: nothing that it sent was used",
            Self::Confinement => "start as root, or on a kernel (6.3 or newer) that gives users their own namespaces",
            Self::LeaseEnded => "make the custodian reachable and start again",
            Self::LeaseRevoked => "the policy no longer admits this workload: ask whoever may update it",
            Self::Volume => "look at the volume with `casemate volume`, and restore its newest copy",
            Self::NotExecutable => "check the entry point's mode and format, and build the manifest anew",
            Self::NotFound => "add the entry point's interpreter or loader to the manifest's root",
        }
    }
}

/// Most characters of a cause that are shown: some of it is the host's, which could fill the log that it ends up in.
const MAX_CAUSE: usize = 2000;

/// A reason to end, for people.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind.
    pub exit: Exit,
    /// What happened, in one line and without secrets.
    pub cause: String,
    /// What to do about it; empty if the cause says so itself.
    pub cure: &'static str,
}

impl Failure {
    /// Makes one from whatever can be shown.
    pub fn new(exit: Exit, cause: impl fmt::Display) -> Self {
        Self {
            exit,
            cause: cause.to_string(),
            cure: exit.cure(),
        }
    }

    /// Makes one from an error that says itself what to do.
    pub fn with_its_own_cure(exit: Exit, cause: impl fmt::Display) -> Self {
        Self {
            exit,
            cause: cause.to_string(),
            cure: "",
        }
    }

    /// For `map_err`: the error of the kernel or a library, with what was tried.
    pub fn because<E: fmt::Display>(exit: Exit, tried: &str) -> impl FnOnce(E) -> Self {
        move |error| Self::new(exit, format_args!("{tried}: {error}"))
    }
}

impl From<casemate_hardening::Refused> for Failure {
    fn from(refused: casemate_hardening::Refused) -> Self {
        Self::new(Exit::Confinement, refused)
    }
}

impl fmt::Display for Failure {
    /// `cause: cure` in one line; control characters of untrusted text become spaces, and there is an end to it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.cause.chars().take(MAX_CAUSE);
        let cause: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.cure.is_empty() {
            f.write_str(&cause)
        } else {
            write!(f, "{cause}: {}", self.cure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_whatever_it_quotes() {
        let failure = Failure::new(Exit::Bundle, "a\nb\x1b[31m");
        assert_eq!(failure.to_string(), format!("a b [31m: {}", Exit::Bundle.cure()));
    }

    #[test]
    fn a_failure_ends_however_much_it_quotes() {
        let shown = Failure::with_its_own_cure(Exit::Bundle, "x".repeat(1 << 20)).to_string();
        assert_eq!(shown.len(), MAX_CAUSE);
    }

    #[test]
    fn every_status_leads_back_to_its_reason() {
        for exit in Exit::ALL {
            assert_eq!(Exit::from_status(exit as u8), Some(exit));
        }
        assert_eq!(Exit::from_status(1), None);
    }
}
