use std::collections::{BTreeMap, BTreeSet};

/// The status of a TCB that nobody has to excuse.
pub const UP_TO_DATE: &str = "up-to-date";

/// Platforms whose evidence this crate verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// AMD SEV-SNP.
    SevSnp,
    /// Intel TDX.
    Tdx,
    /// Intel SGX.
    Sgx,
    /// AWS Nitro Enclaves.
    Nitro,
    /// A machine with a TPM 2.0 that measured its boot.
    Tpm,
    /// A simulated one, which protects nothing.
    Simulated,
    /// A simulated one for containers, which cannot even say for sure what was launched.
    SimulatedContainer,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SevSnp,
        Self::Tdx,
        Self::Sgx,
        Self::Nitro,
        Self::Tpm,
        Self::Simulated,
        Self::SimulatedContainer,
    ];

    /// As policies call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SevSnp => "sev-snp",
            Self::Tdx => "tdx",
            Self::Sgx => "sgx",
            Self::Nitro => "nitro",
            Self::Tpm => "tpm",
            Self::Simulated => "simulated",
            Self::SimulatedContainer => "simulated-container",
        }
    }
}

/// What a verifier found out. Only the verifiers of this crate make any.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Follows from the root that verified the evidence.
    pub platform: Platform,
    /// Its product line.
    pub product: &'static str,
    /// `sha384:…` or `sha256:…`.
    pub runtime_measurement: String,
    /// Digest of the launch manifest that the platform bound to the domain before it ran.
    pub manifest: [u8; 32],
    /// What the evidence was made over.
    pub report_data: Vec<u8>,
    /// Tells one machine from another.
    pub hardware: Vec<u8>,
    /// Security versions by the platform's own names, the lowest that the domain ran under.
    pub tcb: BTreeMap<&'static str, u64>,
    /// What else can be asked for, as lower-case hex or a word.
    pub values: BTreeMap<String, String>,
    /// The vendor's verdict on the TCB, in our spelling ([`UP_TO_DATE`]); None where it gives none.
    pub tcb_status: Option<&'static str>,
    /// What the vendor says is open in such a TCB.
    pub advisories: BTreeSet<String>,
    /// What the evidence should have come with and did not: whoever excused it judges that.
    pub lacks: BTreeSet<&'static str>,
    /// Numbers of the authorities' revocation lists, by `sha256:…` of the authority: floors from now on.
    pub seen: BTreeMap<String, u64>,
    /// Numbers of documents, of which several are in force and whoever sends evidence chooses: floors as well, if the
    /// caller wants.
    pub chosen: BTreeMap<String, u64>,
    /// Least privileged level of the guest that may have asked for the evidence, where there are such.
    pub vmpl: Option<u32>,
    /// When it was verified, in Unix seconds.
    pub verified_at: i64,
}
