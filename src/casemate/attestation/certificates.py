"""X.509 certificates (RFC 5280): read at once and completely, so that nothing is left to be parsed later.

How each vendor signs them is in its platform's folder.
"""

from __future__ import annotations

import base64
import hashlib
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.errors import EndorsementError

__all__ = ["Certificate", "check_covers", "der_of", "der_parts", "p384_key", "pem_blocks", "reading"]


_BEGIN: Final = b"-----BEGIN "
_BEGIN_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----(?:\r?\n)?")
_LONGEST_LABEL: Final = 32
_SEQUENCE: Final = 0x30
_LONG: Final = 0x80
"""From here on, a first byte of a length says how many bytes it has (X.690 §8.1.3.5)."""


@dataclass(frozen=True)
class Certificate:
    """`extensions` are those that X.509 does not define, by dotted OID. `path_length` None: no limit. `algorithm` is of
    the signature, a dotted OID; where another stands under it than beside it (RFC 5280 §4.1.1.2), `signature` is empty,
    which is nobody's. `signs_data`: anything but certificates and lists.
    """

    der: bytes
    subject: x509.Name
    issuer: x509.Name
    common_name: str
    serial: int
    start: datetime
    end: datetime
    key: CertificatePublicKeyTypes
    authority: bool
    path_length: int | None
    signs_certificates: bool
    signs_lists: bool
    signs_data: bool
    extensions: Mapping[str, bytes]
    signed: bytes
    signature: bytes
    algorithm: str

    @classmethod
    def parse(cls, data: bytes, what: str, *, understood: Collection[type[x509.ExtensionType]] = ()) -> Certificate:
        """From DER or PEM. `EndorsementError` for what is no certificate, or asks for more than we understand:
        `understood` are extensions that may be critical because the caller has no need of what they say.
        """
        with reading(what, "evidence.certificates"):
            loaded = x509.load_der_x509_certificate(der_of(data))
            constraints, usage = _constraints(loaded, what, understood)
            return cls(
                der=loaded.public_bytes(Encoding.DER),
                subject=loaded.subject,
                issuer=loaded.issuer,
                common_name=_common_name(loaded.subject),
                serial=loaded.serial_number,
                start=loaded.not_valid_before_utc,
                end=loaded.not_valid_after_utc,
                key=loaded.public_key(),
                authority=constraints is not None and constraints.ca,
                path_length=constraints.path_length if constraints is not None else None,
                signs_certificates=usage is not None and usage.key_cert_sign,
                signs_lists=usage is not None and usage.crl_sign,
                signs_data=usage is not None and usage.digital_signature,
                extensions={
                    extension.oid.dotted_string: extension.value.value
                    for extension in loaded.extensions
                    if isinstance(extension.value, x509.UnrecognizedExtension)
                },
                signed=loaded.tbs_certificate_bytes,
                signature=loaded.signature if _named_alike(loaded) else b"",
                algorithm=loaded.signature_algorithm_oid.dotted_string,
            )

    @property
    def fingerprint(self) -> str:
        return f"sha256:{hashlib.sha256(self.der).hexdigest()}"

    def may_certify(self, below: int) -> bool:
        """Whether it may sign certificates that have `below` authorities behind them, the first of which it signs
        (RFC 5280 §4.2.1.3, §4.2.1.9).
        """
        within = self.path_length is None or below <= self.path_length
        return self.authority and self.signs_certificates and within


@contextmanager
def reading(what: str, step: str) -> Iterator[None]:
    """Whatever is wrong with the DER inside becomes an `EndorsementError` at `step`."""
    with warnings.catch_warnings():
        # AMD gives every VCEK the serial number 0, which RFC 5280 does not allow.
        warnings.simplefilter("ignore")
        try:
            yield
        except EndorsementError:
            raise
        # Malformed names and extensions make the library raise ValueError, TypeError, KeyError and errors of its own,
        # at once or when a part is asked for: what it raises is no interface, and an attacker chooses the bytes.
        except Exception as error:
            raise EndorsementError(f"the {what} cannot be read", step=step) from error


def der_of(data: bytes) -> bytes:
    """Of one certificate in PEM; what does not begin as PEM is taken for DER. `ValueError` for PEM of another form."""
    if not data.startswith(_BEGIN_CERTIFICATE):
        return data
    parts = der_parts(data)
    if len(parts) != 1:
        raise ValueError("several certificates")
    if not parts[0]:
        raise ValueError("nothing inside")
    return parts[0]


def der_parts(pem: bytes) -> list[bytes]:
    """DER of each certificate in PEM (RFC 7468, "strict"), where nothing else is between and around them: no text, no
    blanks, no second spelling of base64. `ValueError` for any other.
    """
    parts, position = [], 0
    while position < len(pem):
        match = _PEM.match(pem, position)
        if match is None:
            raise ValueError("no PEM")
        parts.append(_decoded(match.group(1)))
        position = match.end()
    return parts


def pem_blocks(data: bytes, *labels: bytes) -> list[bytes]:
    """The blocks of PEM in `data` (RFC 7468), with their frames, as far as each has an end; those of `labels`.

    In one pass: who sends beginnings without ends makes nobody search the rest for each of them.
    """
    found, position = [], 0
    while (start := data.find(_BEGIN, position)) >= 0:
        label = data[start + len(_BEGIN) : start + len(_BEGIN) + _LONGEST_LABEL].partition(b"-----")[0]
        ending = b"-----END " + label + b"-----"
        end = data.find(ending, start)
        if end < 0:
            break
        position = end + len(ending)
        if label in labels:
            found.append(data[start:position])
    return found


def p384_key(certificate: Certificate) -> ec.EllipticCurvePublicKey | None:
    """Its key, if it is of that curve."""
    key = certificate.key
    return key if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1) else None


def check_covers(start: datetime, end: datetime, at: datetime, what: str) -> None:
    """That endorsements hold at a time. Errors: EndorsementError."""
    if not start <= at <= end:
        raise EndorsementError(
            f"the {what} does not cover the time of the check",
            step="evidence.validity",
            expected=f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC",
            got=f"{at:%Y-%m-%d %H:%M} UTC",
            remedy="bring current endorsements, or mend the clock",
        )


def _decoded(text: bytes) -> bytes:
    """The one spelling of base64, so that no bit of it is free."""
    plain = text.replace(b"\r", b"").replace(b"\n", b"")
    der = base64.b64decode(plain, validate=True)
    if base64.b64encode(der) != plain:
        raise ValueError("another spelling of base64")
    return der


def _constraints(
    loaded: x509.Certificate, what: str, understood: Collection[type[x509.ExtensionType]]
) -> tuple[x509.BasicConstraints | None, x509.KeyUsage | None]:
    """What X.509 says about the key's use, of which every critical part must be understood (RFC 5280 §4.2)."""
    constraints, usage = None, None
    for extension in loaded.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            constraints = extension.value
        elif isinstance(extension.value, x509.KeyUsage):
            usage = extension.value
        elif extension.critical and type(extension.value) not in understood:
            raise EndorsementError(
                f"the {what} has a critical extension that is not understood",
                step="evidence.certificates",
                got=extension.oid.dotted_string,
            )
    return constraints, usage


def _named_alike(loaded: x509.Certificate) -> bool:
    """Whether the algorithm under the signature is, to the byte, the one beside it, which nothing covers."""
    signed, beside, _ = _items(loaded.public_bytes(Encoding.DER))
    under = next(item for item in _items(signed) if item[0] == _SEQUENCE)
    return under == beside


def _items(der: bytes) -> Iterator[bytes]:
    """Of a sequence that is known to be DER, item after item, whole. Before the algorithm there is no other sequence in
    what is signed: a version, which has a tag of its own, and a number.
    """
    position, end = _content(der, 0)
    while position < end:
        _, after = _content(der, position)
        yield der[position:after]
        position = after


def _content(der: bytes, position: int) -> tuple[int, int]:
    """Where the content of the item at `position` begins and ends."""
    length, start = der[position + 1], position + 2
    if length >= _LONG:
        start += length - _LONG
        length = int.from_bytes(der[position + 2 : start], "big")
    return start, start + length


def _common_name(name: x509.Name) -> str:
    """The only common name; empty where there is none, or several."""
    found = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""
