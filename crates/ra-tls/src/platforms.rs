//! What has to be asked of a platform, and what means something there: as in policies (spec/policy.md, "Some things have
//! to be asked for"; in Python `casemate.platforms`).

use crate::{Asked, Platform};

/// One value or version that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The least of a security version.
    Tcb(&'static str),
    /// Some of a value.
    Value(&'static str),
}

/// What has to be asked for, or nothing is said, whatever else is: all of one of `ways`.
#[derive(Debug)]
pub struct Need {
    pub ways: &'static [&'static [Part]],
    pub why: &'static str,
}

const EVALUATION: Need = Need {
    ways: &[&[Part::Tcb("evaluation")]],
    why: "several sets of Intel's documents are in force, and whoever sends evidence chooses the mildest",
};
const WHOSE_TPM: Need = Need {
    ways: &[
        &[Part::Value("name")],
        &[Part::Value("authority"), Part::Value("project")],
        &[Part::Value("authority"), Part::Value("instance")],
    ],
    why: "anybody's TPM would do",
};
/// Firmware, boot loader, the keys of Secure Boot, and what loaders measure of kernel, initrd and command line.
const BOOTED: Need = Need {
    ways: &[&[
        Part::Value("pcr0"),
        Part::Value("pcr4"),
        Part::Value("pcr7"),
        Part::Value("pcr8"),
        Part::Value("pcr9"),
        Part::Value("pcr12"),
    ]],
    why: "not all is said of what booted, so root of something else can extend the other PCRs at will",
};

const SIGNED_BY: Part = Part::Value("id_key_digest");
const SEV_SNP_HOLLOW: &[(Part, Part)] = &[
    (Part::Tcb("guest"), SIGNED_BY),
    (Part::Value("family_id"), SIGNED_BY),
    (Part::Value("image_id"), SIGNED_BY),
];
const SIGNER: Part = Part::Value("mrsigner");
const SGX_HOLLOW: &[(Part, Part)] = &[
    (Part::Tcb("isv"), SIGNER),
    (Part::Value("isv_product"), SIGNER),
    (Part::Value("isv_family"), SIGNER),
];

impl Platform {
    fn needs(self) -> &'static [Need] {
        match self {
            Self::Tdx | Self::Sgx => &[EVALUATION],
            Self::Tpm => &[WHOSE_TPM, BOOTED],
            Self::SevSnp | Self::Nitro | Self::Simulated | Self::SimulatedContainer => &[],
        }
    }

    /// Parts that mean something only beside another one: without that, anybody chooses them freely.
    fn only_with(self) -> &'static [(Part, Part)] {
        match self {
            Self::SevSnp | Self::Simulated | Self::SimulatedContainer => SEV_SNP_HOLLOW,
            Self::Sgx => SGX_HOLLOW,
            Self::Tdx | Self::Nitro | Self::Tpm => &[],
        }
    }

    /// What has to be asked for, and is not: the first of it.
    pub fn unmet(self, asked: &Asked) -> Option<&'static Need> {
        let met = |need: &&Need| need.ways.iter().any(|way| way.iter().all(|part| part.is_in(asked)));
        self.needs().iter().find(|need| !met(need))
    }

    /// What is asked for and means nothing, with what would give it a meaning: the first of it.
    pub fn hollow(self, asked: &Asked) -> Option<(Part, Part)> {
        let mut all = self.only_with().iter().copied();
        all.find(|(part, other)| part.is_in(asked) && !other.is_in(asked))
    }

    /// The value that stands in for what evidence lacks, where it is asked for.
    pub fn stands_in_for(self, lack: &str) -> Option<&'static str> {
        (self == Self::Tpm && lack == "authority").then_some("name")
    }

    /// Whether its vendor judges the TCB.
    pub fn has_verdicts(self) -> bool {
        matches!(self, Self::Tdx | Self::Sgx)
    }
}

impl Part {
    fn is_in(self, asked: &Asked) -> bool {
        match self {
            Self::Tcb(name) => asked.tcb.contains_key(name),
            Self::Value(name) => asked.require.contains_key(name),
        }
    }

    /// As policies name it.
    pub fn name(self) -> String {
        match self {
            Self::Tcb(name) => format!("tcb.{name}"),
            Self::Value(name) => format!("require.{name}"),
        }
    }
}
