"""Whether a TLS key is a pinned custodian's (spec/ra-tls.md, "By identity"): no evidence is looked at. Pure."""

from __future__ import annotations

from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from casemate.attestation.ra_tls import check_times, read_ra_tls, whole_seconds
from casemate.client.verification import check_instance_times, instance_certificate
from casemate.errors import EvidenceError, NotGenuineError, SignatureError
from casemate.wire.binding import key_bytes
from casemate.wire.custodian import CustodianGenesis, InstanceCertificate
from casemate.wire.ra_tls import RaTls, identity_message

__all__ = ["verify_tls_identity"]


def verify_tls_identity(data: bytes, genesis: CustodianGenesis, *, at: datetime) -> InstanceCertificate:
    """The instance that vouches for the certificate's key. `NotGenuineError`; an `InputError` for what is too large."""
    at = whole_seconds(at)
    try:
        # 1. The form, as by evidence.
        certificate = read_ra_tls(data)
        # 2. The times of the certificate.
        check_times(certificate, at)
        # 3. It is a certificate of this custodian, and an instance of it vouches.
        carried = certificate.carried
        instance = _instance(carried, genesis)
        # 4. The instance's own times.
        check_instance_times(instance, at)
        # 5. The instance's signature over the certificate's key.
        _check_signature(carried, certificate.public_key, instance)
    except EvidenceError as error:
        raise NotGenuineError(
            f"the certificate is not the pinned custodian's: {error.message}",
            step=error.step,
            expected=genesis.identity(),
            got=error.got,
            remedy="somebody stands between, or the address is another's: check the URL, then ask the board",
        ) from error
    return instance


def _instance(carried: RaTls, genesis: CustodianGenesis) -> InstanceCertificate:
    if carried.custodian != genesis.identity():
        raise SignatureError("it is another custodian's", step="ra_tls.custodian", got=carried.custodian)
    instance = instance_certificate(carried.instance or "", genesis)
    if (carried.signing_key, carried.hpke_key) != (instance.key, instance.sealing_key):
        raise SignatureError("it is about other keys than the instance's", step="ra_tls.keys")
    return instance


def _check_signature(carried: RaTls, public_key: bytes, instance: InstanceCertificate) -> None:
    try:
        key = Ed25519PublicKey.from_public_bytes(key_bytes(instance.key))
        key.verify(carried.signature or b"", identity_message(carried.custodian, public_key))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError("the instance does not vouch for this key", step="ra_tls.signature") from error
