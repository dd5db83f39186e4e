//! Intel's verdict on the TCB that a quote was made under.
//!
//! Source: Intel Provisioning Certification Service, API version 4, "Get TCB Info" (how to pick a level, with the TDX
//! module's) and "Get Quoting Enclave identity". Statuses of machine, TDX module and quoting enclave are merged as
//! Intel's quote verification library does: what any of them needs is needed.

use std::collections::BTreeSet;

use super::documents::{EnclaveIdentity, MachineLevel, Module, Said, Status, TcbInfo, VersionLevel};
use super::machine::Machine;
use super::reports::{EnclaveReport, TdReport};
use crate::expectations::hex;
use crate::{Error, UP_TO_DATE};

const MODULE: &str = "evidence.module";
const QE_IDENTITY: &str = "evidence.qe_identity";

/// What is said of all parts together.
#[derive(Debug, Default)]
pub struct Verdict {
    needs: Needs,
    pub advisories: BTreeSet<String>,
}

/// What has to be done about a TCB.
#[derive(Debug, Default, Clone, Copy)]
struct Needs {
    date: bool,
    configuration: bool,
    hardening: bool,
}

impl Verdict {
    /// In our words (`casemate.platforms`).
    pub fn status(&self) -> &'static str {
        let Needs {
            date,
            configuration,
            hardening,
        } = self.needs;
        match (date, configuration, hardening) {
            (false, false, false) => UP_TO_DATE,
            (false, false, true) => "sw-hardening-needed",
            (false, true, false) => "configuration-needed",
            (false, true, true) => "configuration-and-sw-hardening-needed",
            // What is out of date has no word for hardening besides.
            (true, false, _) => "out-of-date",
            (true, true, _) => "out-of-date-configuration-needed",
        }
    }

    /// What was launched under an old TCB is not mended by a newer one that runs now, nor the other way round.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.needs.date |= other.needs.date;
        self.needs.configuration |= other.needs.configuration;
        self.needs.hardening |= other.needs.hardening;
        self.advisories.extend(other.advisories);
        self
    }

    /// `Revoked` is no status: nobody may excuse it.
    fn of(said: &Said, what: &str) -> Result<Self, Error> {
        let (date, configuration, hardening) = match said.status {
            Status::UpToDate => (false, false, false),
            Status::HardeningNeeded => (false, false, true),
            Status::ConfigurationNeeded => (false, true, false),
            Status::ConfigurationAndHardeningNeeded => (false, true, true),
            Status::OutOfDate => (true, false, false),
            Status::OutOfDateConfigurationNeeded => (true, true, false),
            Status::Revoked => {
                let reason = format!("Intel revoked the TCB ({what}); no policy can excuse this");
                return Err(Error::new("evidence.tcb_revoked", reason).got("Revoked"));
            }
        };
        Ok(Self {
            needs: Needs {
                date,
                configuration,
                hardening,
            },
            advisories: said.advisories.clone(),
        })
    }
}

/// Refused where Intel knows no such TCB, or revoked it. `td` is there for a trust domain.
pub fn judged(
    machine: &Machine,
    td: Option<&TdReport>,
    qe: &EnclaveReport,
    info: &TcbInfo,
    identity: &EnclaveIdentity,
) -> Result<Verdict, Error> {
    let of_machine = machine_level(machine, td, info)?;
    let of_enclave = enclave_level(qe, identity)?;
    let of_module = td.map(|td| module_level(td, info)).transpose()?.flatten();
    let mut verdict = Verdict::of(&of_machine.said, "machine")?.and(Verdict::of(&of_enclave.said, "quoting enclave")?);
    if let Some(level) = of_module {
        verdict = verdict.and(Verdict::of(&level.said, "TDX module")?);
    }
    Ok(verdict)
}

fn machine_level<'a>(machine: &Machine, td: Option<&TdReport>, info: &'a TcbInfo) -> Result<&'a MachineLevel, Error> {
    let fits = |level: &&MachineLevel| {
        let sgx = at_least(&machine.components, &level.sgx) && machine.pce_svn >= level.pce;
        let tdx = td.is_none_or(|td| level.tdx.is_some_and(|least| tdx_at_least(td, &least)));
        sgx && tdx
    };
    let found = info.levels.iter().find(fits);
    found.ok_or_else(|| Error::new("evidence.tcb", "Intel knows no TCB level that this machine reaches"))
}

/// The module's own versions, the first two, are judged by its identity, where its major version has a number.
fn tdx_at_least(td: &TdReport, least: &[u8; 16]) -> bool {
    let first = if td.tee_tcb_svn[1] == 0 { 0 } else { 2 };
    at_least(&td.tee_tcb_svn[first..], &least[first..])
}

/// Of the TDX module that launched the domain; None of one whose versions are part of the machine's level.
fn module_level<'a>(td: &TdReport, info: &'a TcbInfo) -> Result<Option<&'a VersionLevel>, Error> {
    let [minor, major, ..] = td.tee_tcb_svn;
    let name = format!("TDX_{major:02X}");
    if major == 0 {
        check_module(td, info.module.as_ref(), &name)?;
        return Ok(None);
    }
    let identity = info.modules.iter().find(|one| one.id == name);
    check_module(td, identity.map(|identity| &identity.module), &name)?;
    let levels = identity.map(|identity| identity.levels.as_slice()).unwrap_or_default();
    isv_level(u16::from(minor), levels, MODULE, &name).map(Some)
}

fn check_module(td: &TdReport, module: Option<&Module>, name: &str) -> Result<(), Error> {
    let Some(module) = module else {
        return Err(Error::new(MODULE, "Intel knows no such TDX module").got(name));
    };
    if td.mr_signer_seam != module.mr_signer {
        return Err(Error::new(MODULE, "a TDX module of somebody else")
            .expected(hex(&module.mr_signer))
            .got(hex(&td.mr_signer_seam)));
    }
    if masked(td.seam_attributes, module.attributes_mask) != module.attributes {
        return Err(Error::new(MODULE, "a TDX module that is not for production")
            .expected(hex(&module.attributes))
            .got(hex(&td.seam_attributes)));
    }
    Ok(())
}

fn enclave_level<'a>(qe: &EnclaveReport, identity: &'a EnclaveIdentity) -> Result<&'a VersionLevel, Error> {
    // Whatever its identity asks for: a key that the host can read vouches for nothing.
    if qe.in_debug_mode() {
        return Err(Error::new(QE_IDENTITY, "the quoting enclave was built with debug"));
    }
    // Intel writes MISCSELECT as a number, the other masks as bytes.
    let mut misc_select = qe.misc_select;
    misc_select.reverse();
    let misc_select = masked(misc_select, identity.misc_select_mask);
    let attributes = masked(qe.attributes, identity.attributes_mask);
    let isv_product = [identity.isv_product, qe.isv_product].map(u16::to_be_bytes);
    let compared: [(&str, &[u8], &[u8]); 4] = [
        ("MRSIGNER", &identity.mr_signer, &qe.mr_signer),
        ("ISVPRODID", &isv_product[0], &isv_product[1]),
        ("MISCSELECT", &identity.misc_select, &misc_select),
        ("ATTRIBUTES", &identity.attributes, &attributes),
    ];
    for (name, wanted, got) in compared {
        if wanted != got {
            let reason = format!("the quoting enclave is not Intel's: {name}");
            return Err(Error::new(QE_IDENTITY, reason).expected(hex(wanted)).got(hex(got)));
        }
    }
    isv_level(qe.isv_svn, &identity.levels, QE_IDENTITY, "quoting enclave")
}

fn isv_level<'a>(
    version: u16,
    levels: &'a [VersionLevel],
    step: &'static str,
    what: &str,
) -> Result<&'a VersionLevel, Error> {
    let found = levels.iter().find(|level| version >= level.isv);
    found.ok_or_else(|| {
        Error::new(step, format!("Intel knows no level that this {what} reaches")).got(version.to_string())
    })
}

/// Each of them; there are as many of both.
fn at_least(versions: &[u8], least: &[u8]) -> bool {
    versions.len() == least.len() && versions.iter().zip(least).all(|(version, least)| version >= least)
}

fn masked<const N: usize>(mut value: [u8; N], mask: [u8; N]) -> [u8; N] {
    for (byte, mask) in value.iter_mut().zip(mask) {
        *byte &= mask;
    }
    value
}
