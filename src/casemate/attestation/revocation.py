"""Revocation lists (RFC 5280 §5): read, verified, and the newest of each authority chosen.

An entry may name the issuer of what it revokes (an indirect list): AMD's one list a root names intermediate
certificates by their serial numbers, and report keys, which all have the serial number 0, only in that way. Intel's
lists all have the number 1, so among those of one number the youngest is the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.certificates import Certificate, reading
from casemate.errors import EndorsementError

__all__ = ["MAX_LIST_BYTES", "MAX_NUMBER", "Holds", "RevocationList", "check_floor", "list_in", "newest_lists"]

Holds = Callable[[Certificate, bytes, bytes], bool]
"""Whether an authority signed bytes, in the way of its vendor: authority, bytes, signature."""

MAX_LIST_BYTES: Final = 64 * 1024
"""Real lists are below 2 KiB."""

MAX_NUMBER: Final = 2**53 - 1
"""Floors are kept as JSON, whose numbers end there (RFC 8785); real numbers are below a thousand."""

_STEP: Final = "evidence.crl"
_WHAT: Final = "revocation list"


@dataclass(frozen=True)
class RevocationList:
    """A list that its issuer signed. `revoked` are pairs of issuer and serial number. The same bytes are equal."""

    number: int = field(compare=False)
    start: datetime = field(compare=False)
    end: datetime = field(compare=False)
    revoked: frozenset[tuple[x509.Name, int]] = field(compare=False)
    der: bytes = field(repr=False)

    def revokes(self, certificate: Certificate) -> bool:
        return (certificate.issuer, certificate.serial) in self.revoked


def check_floor(found: RevocationList | None, floor: int | None) -> None:
    """No list is older than one that was seen before of its authority, or left out since then, even where the caller
    excuses that: whoever is revoked would just send none. Errors: EndorsementError.
    """
    if floor is not None and (found is None or found.number < floor):
        raise EndorsementError(
            "an older revocation list than one seen before"
            if found
            else "no revocation list, where one was seen before",
            step="evidence.crl_floor",
            expected=f"≥ {floor}",
            got=str(found.number) if found else "none",
            remedy="bring the vendor's current list",
        )


def list_in(part: bytes) -> bytes | None:
    """DER of the list in part of a file, PEM or DER; None for what is none. Nothing of it is verified."""
    try:
        load = x509.load_pem_x509_crl if part.startswith(b"-----BEGIN X509 CRL") else x509.load_der_x509_crl
        return load(part).public_bytes(Encoding.DER)
    except ValueError:
        return None


def newest_lists(lists: Sequence[bytes], authorities: Sequence[Certificate], holds: Holds) -> dict[str, RevocationList]:
    """Of each authority that has one, by its fingerprint, the one with the highest number, the youngest of several.

    `EndorsementError` where one is not a list of these authorities.
    """
    newest: dict[str, RevocationList] = {}
    for data in lists:
        issuer, found = _parse(data, authorities, holds)
        newest[issuer] = max(newest.get(issuer, found), found, key=lambda item: (item.number, item.start))
    return newest


def _parse(data: bytes, authorities: Sequence[Certificate], holds: Holds) -> tuple[str, RevocationList]:
    if len(data) > MAX_LIST_BYTES:
        raise _bad("a revocation list is too large", f"≤ {MAX_LIST_BYTES} bytes", str(len(data)))
    with reading(_WHAT, _STEP):
        loaded = x509.load_der_x509_crl(data)
        # First of all: what somebody else wrote is not looked at.
        issuer = next((one for one in authorities if _is_of(loaded, one, holds)), None)
        if issuer is None:
            raise _bad("a revocation list is not signed by an authority of the chain")
        return issuer.fingerprint, RevocationList(
            number=_number(loaded),
            start=loaded.last_update_utc,
            end=_end(loaded),
            revoked=frozenset(_entries(loaded)),
            der=data,
        )


def _is_of(loaded: x509.CertificateRevocationList, issuer: Certificate, holds: Holds) -> bool:
    return loaded.issuer == issuer.subject and holds(issuer, loaded.tbs_certlist_bytes, loaded.signature)


def _number(loaded: x509.CertificateRevocationList) -> int:
    """Its number, after a look at what else the list says of itself."""
    number = -1
    for extension in loaded.extensions:
        value = extension.value
        if isinstance(value, x509.CRLNumber):
            number = value.crl_number
        elif _leaves_out(value) or (extension.critical and not isinstance(value, x509.IssuingDistributionPoint)):
            raise _bad("a revocation list is not about all certificates of its issuer", got=extension.oid.dotted_string)
    if not 0 <= number <= MAX_NUMBER:
        raise _bad("a revocation list has no number", f"0 to {MAX_NUMBER}")
    return number


def _leaves_out(value: x509.ExtensionType) -> bool:
    """Whether the list is about some certificates only, or about changes only (RFC 5280 §5.2.4, §5.2.5)."""
    return isinstance(value, x509.DeltaCRLIndicator) or (
        isinstance(value, x509.IssuingDistributionPoint)
        and bool(
            value.only_contains_user_certs
            or value.only_contains_ca_certs
            or value.only_contains_attribute_certs
            or value.only_some_reasons
        )
    )


def _end(loaded: x509.CertificateRevocationList) -> datetime:
    if loaded.next_update_utc is None:
        raise _bad("a revocation list has no end")
    return loaded.next_update_utc


def _entries(loaded: x509.CertificateRevocationList) -> Iterator[tuple[x509.Name, int]]:
    """An entry without an issuer of its own has the one of the entry before it (RFC 5280 §5.3.3)."""
    issuer = loaded.issuer
    for entry in loaded:
        for extension in entry.extensions:
            if isinstance(extension.value, x509.CertificateIssuer):
                names = extension.value.get_values_for_type(x509.DirectoryName)
                if len(names) != 1:
                    raise _bad("a revocation list has an entry without the name of its issuer")
                issuer = names[0]
            elif extension.critical:
                raise _bad("a revocation list has an entry that is not understood", got=extension.oid.dotted_string)
        yield issuer, entry.serial_number


def _bad(message: str, expected: str | None = None, got: str | None = None) -> EndorsementError:
    return EndorsementError(message, step=_STEP, expected=expected, got=got)
