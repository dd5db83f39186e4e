//! A platform whose reports are checked to be about this very manifest.

use casemate_evidence::{Binding, Error, Evidence, Platform};
use zeroize::Zeroizing;

use crate::digests;
use crate::failure::{Exit, Failure};

/// Passes on evidence only if the platform bound the manifest that we run to this domain: HOST_DATA, PCR 15, whatever it has for that.
///
/// The check is made on every report, so on the one that is sent to a custodian too.
#[derive(Debug)]
pub struct Measured<P> {
    platform: P,
    manifest: [u8; 32],
    bound: Option<Binding>,
}

impl<P: Platform> Measured<P> {
    /// A platform that must have been started for the manifest with this digest.
    pub fn new(platform: P, manifest: [u8; 32]) -> Self {
        Self {
            platform,
            manifest,
            bound: None,
        }
    }

    /// Whether the reports so far were about our manifest.
    ///
    /// # Errors
    /// [`Exit::Measurement`] after one that was not.
    pub fn verdict(&self) -> Result<(), Failure> {
        match &self.bound {
            Some(Binding::Another(bound)) => Err(Failure::new(
                Exit::Measurement,
                format!(
                    "the launch bundle's manifest is {}, but the platform started this domain for {bound}",
                    digests::text(&self.manifest),
                ),
            )),
            Some(Binding::This) | None => Ok(()),
        }
    }
}

impl<P: Platform> Platform for Measured<P> {
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error> {
        let evidence = self.platform.evidence(report_data)?;
        let bound = self.platform.binding(&evidence, &self.manifest)?;
        let is_ours = bound == Binding::This;
        self.bound = Some(bound);
        if is_ours {
            Ok(evidence)
        } else {
            Err(Error::AnotherDomain)
        }
    }

    fn binding(&self, evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
        self.platform.binding(evidence, manifest)
    }

    fn derive_key(&mut self, context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        self.platform.derive_key(context)
    }
}
