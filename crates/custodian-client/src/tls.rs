//! TLS with a pinned custodian (spec/ra-tls.md, "By identity"): whether the key of a certificate is one that it
//! vouches for. The evidence in the certificate is not looked at: whoever pinned the custodian did that.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use casemate_ra_tls::tls::{CertificateVerifier, Judge};
use casemate_ra_tls::{Carried, RaTlsCertificate};
use casemate_wire::encoding::sha256;
use casemate_wire::{Purpose, bind};

use crate::Error;
use crate::genesis::Genesis;
use crate::instance::Instance;

const FORM: Error = Error::NotGenuine {
    step: "the certificate's form",
};
const KEY: Error = Error::NotGenuine {
    step: "it does not vouch for the certificate's key",
};

/// A custodian that was pinned, and whose certificates are believed.
#[derive(Debug)]
pub struct PinnedCustodian {
    identity_key: [u8; 32],
    identity: [u8; 32],
}

impl PinnedCustodian {
    /// By its genesis record.
    ///
    /// # Errors
    /// When these bytes are none.
    pub fn of(genesis: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            identity_key: Genesis::parse(genesis)?.identity_key,
            identity: sha256(genesis),
        })
    }

    /// As rustls asks for it.
    #[must_use]
    pub fn into_verifier(self) -> CertificateVerifier<Self> {
        CertificateVerifier::new(self)
    }

    /// Whether the custodian vouches for the key of this certificate (DER), at this time (Unix seconds).
    ///
    /// # Errors
    /// When it does not, with the check that failed.
    pub fn verify(&self, der: &[u8], now: i64) -> Result<(), Error> {
        // 1. The form: signed by its own key, one extension, one record of our type, one spelling.
        let certificate = RaTlsCertificate::read(der).map_err(|_| FORM)?;
        // 2. The times of the certificate.
        certificate.check_times(now).map_err(|_| Error::NotGenuine {
            step: "the certificate is not valid now (is the clock right?)",
        })?;
        // 3, 4. It is a certificate of this custodian, and an instance of it, which is valid now, vouches.
        let instance = self.instance(&certificate.carried, now)?;
        // 5. The instance's signature over the certificate's key.
        let purpose = Purpose::RaTls.label().as_bytes();
        let message = bind(&[purpose, &self.identity, &sha256(&certificate.public_key)]);
        let vouched = certificate.carried.identity.as_ref().ok_or(KEY)?;
        UnparsedPublicKey::new(&ED25519, instance.key)
            .verify(&message, &vouched.signature)
            .map_err(|_| KEY)
    }

    fn instance(&self, carried: &Carried, now: i64) -> Result<Instance, Error> {
        if carried.custodian != self.identity {
            return Err(Error::NotGenuine {
                step: "the certificate is another custodian's",
            });
        }
        let header = carried.identity.as_ref().map_or("", |vouched| &vouched.instance);
        let instance = Instance::verify(header, &self.identity_key, &self.identity, now)?;
        if (carried.signing_key, carried.hpke_key) != (instance.key, instance.sealing_key) {
            return Err(Error::NotGenuine {
                step: "the certificate is about other keys than the instance's",
            });
        }
        Ok(instance)
    }
}

impl Judge for PinnedCustodian {
    type Error = Error;

    fn judge(&self, certificate: &[u8], now: i64) -> Result<(), Error> {
        self.verify(certificate, now)
    }
}
