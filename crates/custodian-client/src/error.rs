use thiserror::Error as ThisError;

/// Why there is no release, or no renewal. Each message is one line for the person who must act.
#[derive(Debug, ThisError)]
pub enum Error {
    /// No answer, from none of the addresses.
    #[error("no custodian answers: {0}; is it running, and is the address right?")]
    Unreachable(String),
    /// An answer that the pinned custodian did not give.
    #[error("not the custodian that the manifest names: {step}; somebody stands between, or the address is another's")]
    NotGenuine {
        /// The check that failed.
        step: &'static str,
    },
    /// A genuine refusal.
    #[error("the custodian refused: {code}{}{}{}; {}", place(.step.as_deref()), came(.got.as_deref()), later(*.wait), ask(.id.as_deref()))]
    Refused {
        /// Stable code of the problem document.
        code: String,
        /// Decision, for `casemate why`.
        id: Option<String>,
        /// The step of the decision that failed; only told to a shield whose evidence verified.
        step: Option<String>,
        /// What came instead of what the policy expects.
        got: Option<String>,
        /// Seconds after which the same may be granted.
        wait: Option<u64>,
    },
    /// A genuine answer that is not of the documented form.
    #[error("the custodian's answer is not understood: {0}; are shield and custodian of the same release?")]
    Malformed(&'static str),
    /// What the host handed over cannot be used.
    #[error("the launch bundle cannot be used: {0}")]
    Bundle(String),
    /// No evidence.
    #[error(transparent)]
    Platform(#[from] casemate_evidence::Error),
    /// The cryptographic library failed: out of entropy or memory.
    #[error("no keys could be made: {0}")]
    Keys(&'static str),
}

impl Error {
    /// Whether the pinned custodian said no, as against a failure that may pass.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Seconds after which what was refused may be granted, where the custodian said so.
    #[must_use]
    pub fn wait(&self) -> Option<u64> {
        match self {
            Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }
}

fn place(step: Option<&str>) -> String {
    step.map(|step| format!(" at {step}")).unwrap_or_default()
}

fn came(got: Option<&str>) -> String {
    got.map(|got| format!(" (got {got})")).unwrap_or_default()
}

fn later(wait: Option<u64>) -> String {
    wait.map(|wait| format!(" (for {wait} seconds)")).unwrap_or_default()
}

fn ask(id: Option<&str>) -> String {
    id.map_or_else(
        || "no decision was recorded".to_owned(),
        |id| format!("who may read the policy asks: casemate why {id}"),
    )
}
