"""Verification of certificates that carry evidence over their own key (spec/ra-tls.md, "By evidence").

Each step names itself where it refuses. What is left to the caller: that the other side holds the certificate's key,
which a TLS handshake proves; and to judge the platform by its claims (`casemate.client.peers`), its TCB among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from casemate.attestation import cbor
from casemate.attestation.carried import DICE_CMW
from casemate.attestation.certificate_form import EXTENSION, Found, read_form
from casemate.attestation.certificates import der_of, reading
from casemate.attestation.cmw import looks_like_cbor
from casemate.attestation.verify import Expected, Roots, verify
from casemate.claims import VerifiedClaims
from casemate.errors import EvidenceMalformedError, EvidenceRejectedError, InputError, TooLargeError
from casemate.wire import canonical
from casemate.wire.binding import digest_bytes
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.ra_tls import RA_TLS_TYPE, RaTls

__all__ = [
    "LONGEST",
    "MAX_CERTIFICATE_BYTES",
    "MAX_PEM_BYTES",
    "Completing",
    "RaTlsCertificate",
    "WantedPeer",
    "as_it_came",
    "check_times",
    "read_ra_tls",
    "verify_carried",
    "verify_ra_tls",
    "whole_seconds",
]

MAX_CERTIFICATE_BYTES: Final = 64 * 1024
"""Of DER: more does not fit into the handshake message of some implementations."""
_LINE: Final = 64 + len("\r\n")
_FRAME: Final = len("-----BEGIN CERTIFICATE-----\r\n-----END CERTIFICATE-----\r\n")
MAX_PEM_BYTES: Final = -(-MAX_CERTIFICATE_BYTES // 48) * _LINE + _FRAME
"""The largest certificate in PEM: lines of 64 characters, 48 bytes each (RFC 7468, section 2)."""
LONGEST: Final = timedelta(hours=24)
"""Of a certificate: its evidence is as old as it is, and says nothing of when it was made."""


Completing = Callable[[Evidence, Endorsements], Endorsements]
"""Adds to the endorsements that came with evidence what whoever verifies has for it. What comes of it is believed no
more than what came: of two lists or documents the newer one counts.
"""


def as_it_came(_evidence: Evidence, came: Endorsements) -> Endorsements:
    """Adds nothing."""
    return came


@dataclass(frozen=True)
class WantedPeer:
    """Who may be on the other side: under which custodian, with which runtimes (`sha384:…`, `sha256:…`) and launch
    manifests (`sha256:…`). `floors` and `excused` as in `Expected`.
    """

    custodian: str
    runtimes: frozenset[str]
    manifests: frozenset[str]
    floors: Mapping[str, int] = field(default_factory=dict)
    excused: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RaTlsCertificate:
    """A certificate of the right form; nothing of it is verified. `public_key` is its SubjectPublicKeyInfo, DER."""

    carried: RaTls
    start: datetime
    end: datetime
    public_key: bytes = field(repr=False)


def read_ra_tls(data: bytes) -> RaTlsCertificate:
    """From DER or PEM. Errors: EvidenceError, InputError."""
    _check_size(data, MAX_PEM_BYTES)
    with reading("certificate", "evidence.certificates"):
        der = der_of(data)
    _check_size(der, MAX_CERTIFICATE_BYTES)
    if EXTENSION not in der:
        raise EvidenceMalformedError("nothing in it carries evidence", step="ra_tls.extension", expected=DICE_CMW)
    found = read_form(der)
    with reading("certificate", "evidence.certificates"):
        # Whose key signed it is nobody's but its own: then its times are its holder's word.
        _check_own_signature(found)
    form = found.form
    return RaTlsCertificate(_carried(form.value), form.start, form.end, form.public_key)


def verify_ra_tls(
    data: bytes, *, roots: Roots, at: datetime, wanted: WantedPeer, completed: Completing = as_it_came
) -> VerifiedClaims:
    """The claims of whoever holds the certificate's key. Errors: EvidenceError, InputError."""
    carried, claims = verify_carried(
        data,
        roots=roots,
        at=at,
        custodian=wanted.custodian,
        floors=wanted.floors,
        excused=wanted.excused,
        completed=completed,
    )
    # 5. What was launched is what is wanted.
    measured = claims.runtime_measurement
    _check(measured in wanted.runtimes, "runtime", " or ".join(sorted(wanted.runtimes)) or "none", measured)
    manifests = " or ".join(sorted(wanted.manifests)) or "none"
    _check(carried.manifest in wanted.manifests, "manifest", manifests, carried.manifest)
    return claims


def verify_carried(
    data: bytes,
    *,
    roots: Roots,
    at: datetime,
    custodian: str,
    floors: Mapping[str, int],
    excused: frozenset[str],
    completed: Completing = as_it_came,
) -> tuple[RaTls, VerifiedClaims]:
    """Steps 1 to 4: whoever holds the certificate's key is in a genuine domain under this custodian. What runs there,
    and on what, is the caller's to judge. Errors: EvidenceError, InputError.
    """
    at = whole_seconds(at)
    # 1. The form: signed by its own key, one wrapper, one spelling of all.
    certificate = read_ra_tls(data)
    carried = certificate.carried
    # 2. The time, and that it was not meant for longer than a day.
    check_times(certificate, at)
    # 3. Under the custodian that is wanted.
    _check(carried.custodian == custodian, "custodian", custodian, carried.custodian)
    # 4. The evidence: genuine, for this purpose, this key and this manifest, by what came and what the caller has.
    expected = Expected(
        report_data=carried.report_data(certificate.public_key),
        manifest=digest_bytes(carried.manifest),
        floors=floors,
        excused=excused,
    )
    endorsements = completed(carried.evidence, carried.endorsements)
    return carried, verify(carried.evidence, endorsements, roots=roots, at=at, expected=expected)


def whole_seconds(at: datetime) -> datetime:
    """A certificate holds until its last second is over; libraries of TLS know no fractions either."""
    return at.replace(microsecond=0)


def _check_own_signature(found: Found) -> None:
    key = load_der_public_key(found.form.public_key)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("the form has no other key")
    key.verify(found.signature, found.signed, ec.ECDSA(hashes.SHA256()))


def _check_size(data: bytes, most: int) -> None:
    if len(data) > most:
        raise TooLargeError("the certificate is too large", expected=f"≤ {most} bytes", got=f"{len(data)} bytes")


def _carried(value: bytes) -> RaTls:
    content = _record(value)
    try:
        return canonical.parse_exact(RaTls, canonical.decode_canonical(content), what="ra_tls")
    except InputError as error:
        raise EvidenceMalformedError(f"the certificate carries {error.message}", step="ra_tls.form") from error


def _record(value: bytes) -> bytes:
    """What is in the one record of our type. Of every other wrapper we need not know more than that it is none of ours:
    whether it is a good one is for others to say.
    """
    if not looks_like_cbor(value):
        raise EvidenceMalformedError("no wrapper of CBOR", step="evidence.cmw", expected="a record of CBOR")
    match cbor.decode(value, what="the wrapper", tags=True):
        case [str(kind), bytes(content)] if kind == RA_TLS_TYPE:
            return content
        case [bool(), *_]:
            pass
        case [str(kind) | int(kind), bytes(), *more] if len(more) <= 1:
            raise _of_another_type(f"{kind!r:.80} with indicators" if more else f"{kind!r:.80}")
        case dict() | cbor.Tagged():
            raise _of_another_type("a wrapper of another kind")
    raise EvidenceMalformedError("a record of CBOR is a type and bytes", step="evidence.cmw")


def _of_another_type(got: str) -> EvidenceMalformedError:
    return EvidenceMalformedError("evidence that is not ours", step="ra_tls.type", expected=RA_TLS_TYPE, got=got)


def check_times(certificate: RaTlsCertificate, at: datetime) -> None:
    """`EvidenceRejectedError` for one that is not valid now, or for longer than a day."""
    if certificate.end - certificate.start > LONGEST:
        raise EvidenceRejectedError(
            "the certificate lives too long",
            step="ra_tls.times",
            expected=f"≤ {LONGEST}",
            got=str(certificate.end - certificate.start),
        )
    if not certificate.start <= at <= certificate.end:
        raise EvidenceRejectedError(
            "the certificate is not valid now (is this machine's clock right?)",
            step="ra_tls.times",
            expected=f"{certificate.start:%Y-%m-%dT%H:%M:%SZ} to {certificate.end:%Y-%m-%dT%H:%M:%SZ}",
            got=f"{at:%Y-%m-%dT%H:%M:%SZ}",
        )


def _check(held: bool, step: str, expected: str, got: str) -> None:
    if not held:
        raise EvidenceRejectedError(
            f"genuine, but of another {step}", step=f"ra_tls.{step}", expected=expected, got=got
        )
