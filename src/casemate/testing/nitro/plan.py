"""Made-up attestation documents of Nitro Enclaves: a root, two authorities, a module, and what each of them says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation import cbor
from casemate.attestation.platforms.nitro.verify import MANIFEST_PCR, pcr_of
from casemate.testing.amd.certificates import usage

__all__ = ["AT", "MANIFEST", "REPORT_DATA", "Chain", "Plan", "encode"]

AT: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
MANIFEST: Final = hashlib.sha256(b"manifest").digest()
REPORT_DATA: Final = hashlib.sha512(b"report data").digest()
_HOURS: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Chain:
    """Certificates of a root, what is below it, and a module, with their keys."""

    certificates: tuple[x509.Certificate, ...]
    keys: tuple[ec.EllipticCurvePrivateKey, ...] = field(repr=False)

    @classmethod
    def made(
        cls, *, path_length: int | None = 1, authority: bool = True, curve: ec.EllipticCurve | None = None
    ) -> Chain:
        """`path_length` and `authority` are those of the first below the root; `curve` is the module's."""
        keys = [_key(name, ec.SECP384R1()) for name in ("root", "zone", "instance")]
        keys.append(_key("module", curve or ec.SECP384R1()))
        names = [_name(f"casemate test {position}") for position in range(len(keys))]
        made = []
        for depth, (key, name) in enumerate(zip(keys, names, strict=True)):
            issuer = max(depth - 1, 0)
            is_authority = depth < len(keys) - 1 and (depth != 1 or authority)
            builder = (
                x509.CertificateBuilder()
                .subject_name(name)
                .issuer_name(names[issuer])
                .public_key(key.public_key())
                .serial_number(depth + 1)
                .not_valid_before(AT - _HOURS)
                .not_valid_after(AT + 2 * _HOURS)
                .add_extension(
                    x509.BasicConstraints(is_authority, path_length if is_authority and depth == 1 else None), True
                )
                .add_extension(
                    usage(*(("key_cert_sign", "crl_sign") if is_authority else ("digital_signature",))), True
                )
            )
            made.append(builder.sign(keys[issuer], hashes.SHA384(), ecdsa_deterministic=True))
        return cls(tuple(made), tuple(keys))

    @property
    def root(self) -> bytes:
        return self.certificates[0].public_bytes(Encoding.DER)

    def der(self) -> list[bytes]:
        return [certificate.public_bytes(Encoding.DER) for certificate in self.certificates]


@dataclass(frozen=True)
class Plan:
    """A document, as it is or with parts of it changed."""

    chain: Chain
    content: dict[str, Any] = field(default_factory=dict)
    protected: bytes = b"\xa1\x01\x38\x22"
    unprotected: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def right(cls, chain: Chain) -> Plan:
        *bundle, leaf = chain.der()
        pcrs = {number: bytes(48) for number in range(MANIFEST_PCR)}
        pcrs |= {number: hashlib.sha384(bytes([number])).digest() for number in range(3)}
        pcrs[MANIFEST_PCR] = pcr_of(MANIFEST)
        content = {
            "module_id": "i-0123456789abcdef0-enc0123456789abcdef",
            "digest": "SHA384",
            "timestamp": int(AT.timestamp() * 1000),
            "pcrs": pcrs,
            "certificate": leaf,
            "cabundle": bundle,
            "public_key": None,
            "user_data": REPORT_DATA,
            "nonce": None,
        }
        return cls(chain, content)

    def but(self, **changes: Any) -> Plan:
        """With other content; a value of `...` leaves the field out."""
        merged = {**self.content, **changes}
        return replace(self, content={name: value for name, value in merged.items() if value is not ...})

    def pcr(self, number: int, value: bytes) -> Plan:
        return self.but(pcrs={**self.content["pcrs"], number: value})

    def built(self) -> bytes:
        payload = encode(self.content)
        signed = b"\x84" + b"".join(
            [cbor.encode_text("Signature1"), *map(cbor.encode_bytes, (self.protected, b"", payload))]
        )
        r, s = decode_dss_signature(
            self.chain.keys[-1].sign(signed, ec.ECDSA(hashes.SHA384(), deterministic_signing=True))
        )
        signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
        return encode([self.protected, self.unprotected, payload, signature])


def encode(value: Any) -> bytes:
    """CBOR of what documents are made of."""
    if value is None:
        return b"\xf6"
    if isinstance(value, bytes):
        return cbor.encode_bytes(value)
    if isinstance(value, str):
        return cbor.encode_text(value)
    if isinstance(value, int):
        return cbor.encode_integer(value)
    if isinstance(value, list):
        return cbor.encode_head(cbor.ARRAY, len(value)) + b"".join(map(encode, value))
    return cbor.encode_head(cbor.MAP, len(value)) + b"".join(encode(part) for item in value.items() for part in item)


def _key(name: str, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(hashlib.sha256(name.encode()).digest()[:31], "big"), curve)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
