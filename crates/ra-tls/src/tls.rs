//! Verifiers of certificates for rustls. That the other side holds the certificate's key is what the handshake proves.
//!
//! Only TLS 1.3 is spoken. A session that is resumed is one whose certificate was verified when it began: whoever must
//! know it anew each time switches resumption off (`rustls::client::Resumption::disabled`).

use std::fmt::Debug;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};

/// Who says whether a certificate is one of those that are wanted.
pub trait Judge: Debug + Send + Sync {
    /// Why it is not.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Judges a certificate (DER) at a time (Unix seconds).
    ///
    /// # Errors
    /// When it is none of them.
    fn judge(&self, certificate: &[u8], now: i64) -> Result<(), Self::Error>;
}

/// A judge of certificates, as rustls asks one: of servers, or of clients. No authority and no name counts.
#[derive(Debug)]
pub struct CertificateVerifier<J> {
    judge: J,
    provider: Arc<CryptoProvider>,
}

impl<J: Judge> CertificateVerifier<J> {
    /// With the keys that certificates of ours have: ECDSA P-256.
    #[must_use]
    pub fn new(judge: J) -> Self {
        Self {
            judge,
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        }
    }

    fn judged(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let judged = self.judge.judge(certificate, seconds);
        judged.map_err(|error| CertificateError::Other(OtherError(Arc::new(error))).into())
    }

    fn proven(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }
}

/// Nothing older than TLS 1.3 is spoken.
fn too_old() -> Result<HandshakeSignatureValid, rustls::Error> {
    Err(CertificateError::BadSignature.into())
}

fn schemes() -> Vec<SignatureScheme> {
    vec![SignatureScheme::ECDSA_NISTP256_SHA256]
}

impl<J: Judge> ServerCertVerifier for CertificateVerifier<J> {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judged(certificate, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        too_old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proven(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl<J: Judge> ClientCertVerifier for CertificateVerifier<J> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.judged(certificate, now).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        too_old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proven(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}
