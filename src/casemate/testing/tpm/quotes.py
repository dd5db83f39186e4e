"""Quotes of a TPM that there is not: every part as it should be, or changed, and really signed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from casemate.attestation.platforms.tpm.structures import ATTRIBUTES
from casemate.attestation.platforms.tpm.verify import BANK, MANIFEST_PCR, RUNTIME_PCR, pcr_of, qualifying

__all__ = ["ALGORITHMS", "MANIFEST", "REPORT_DATA", "RESTRICTED", "RUNTIME", "QuotePlan", "Values", "sized"]

MANIFEST: Final = hashlib.sha256(b"manifest").digest()
REPORT_DATA: Final = hashlib.sha512(b"report data").digest()
RUNTIME: Final = hashlib.sha256(bytes(32) + hashlib.sha256(b"runtime").digest()).digest()

ALGORITHMS: Final = {"sha1": 0x0004, "sha256": 0x000B, "sha384": 0x000C, "sha512": 0x000D, "sm3": 0x0012}
RESTRICTED: Final = ("fixedTPM", "fixedParent", "sensitiveDataOrigin", "userWithAuth", "restricted", "sign")
"""What tpm2_createak makes."""
_SCHEMES: Final = {"rsassa": 0x0014, "rsapss": 0x0016, "ecdsa": 0x0018}
_CURVES: Final = {"secp256r1": 0x0003, "secp384r1": 0x0004, "secp521r1": 0x0005}
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303  # refused, and a test says so
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
}
_NULL: Final = b"\x00\x10"

Values = Mapping[str, Mapping[int, bytes]]


def _right_values() -> dict[str, dict[int, bytes]]:
    """PCRs 0 to 15, none of them zero."""
    values = {number: hashlib.sha256(bytes([number])).digest() for number in range(16)}
    return {BANK: {**values, RUNTIME_PCR: RUNTIME, MANIFEST_PCR: pcr_of(MANIFEST)}}


@dataclass(frozen=True)
class QuotePlan:
    """`parts` are pieces of structures that are put there as they are, by name, in the place of the right ones."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    scheme: str = "ecdsa"
    algorithm: str = "sha256"
    attributes: tuple[str, ...] = RESTRICTED
    extra: bytes = qualifying(REPORT_DATA)
    values: Values = field(default_factory=_right_values)
    signer: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)
    parts: Mapping[str, bytes] = field(default_factory=dict)

    def but(self, **parts: bytes) -> QuotePlan:
        return replace(self, parts={**self.parts, **parts})

    def pcr(self, number: int, value: bytes, bank: str = BANK) -> QuotePlan:
        old = self.values.get(bank, {})
        return replace(self, values={**self.values, bank: {**old, number: value}})

    def built(self) -> bytes:
        attest = self.attest()
        joined = b"".join(value for _, registers in self._banks() for _, value in registers)
        parts = (sized(attest), self.signature(attest), sized(self.public()), joined)
        return b"".join(parts) + self.parts.get("tail", b"")

    def attest(self) -> bytes:
        """TPMS_ATTEST."""
        joined = b"".join(value for _, registers in self._banks() for _, value in registers)
        digest = hashlib.new(self.algorithm, joined).digest()
        return self._structure(
            magic=b"\xff\x54\x43\x47",
            kind=b"\x80\x18",
            signer=sized(b"\x00\x0b" + hashlib.sha256(self.public()).digest()),
            extra=sized(self.extra),
            clock=_number(86_400_000, 8),
            resets=_number(3, 4),
            restarts=_number(1, 4),
            safe=b"\x01",
            firmware=_number(0x2019_1023_0016_3636, 8),
            selection=self._selection(),
            digest=sized(digest),
            end=b"",
        )

    def signature(self, attest: bytes) -> bytes:
        """TPMT_SIGNATURE."""
        return self._structure(
            signature_scheme=_number(_SCHEMES[self.scheme], 2),
            signature_algorithm=_number(ALGORITHMS[self.algorithm], 2),
            signature=self._signed(attest),
        )

    def signed_value(self) -> bytes:
        """What a key of RSA signs of it, without its size."""
        return self._signed(self.attest())[2:]

    def public(self) -> bytes:
        """TPMT_PUBLIC."""
        public = self.key.public_key()
        head = self._structure(
            key_kind=b"\x00\x01" if isinstance(public, rsa.RSAPublicKey) else b"\x00\x23",
            name_algorithm=_number(ALGORITHMS["sha256"], 2),
            attributes=_number(sum(1 << bit for bit, name in ATTRIBUTES.items() if name in self.attributes), 4),
            policy=sized(b""),
            cipher=_NULL,
            key_scheme=_number(_SCHEMES[self.scheme], 2) + _number(ALGORITHMS[self.algorithm], 2),
        )
        if isinstance(public, rsa.RSAPublicKey):
            modulus = public.public_numbers().n.to_bytes(public.key_size // 8, "big")
            exponent = public.public_numbers().e
            return head + self._structure(
                bits=_number(public.key_size, 2),
                exponent=_number(0 if exponent == 65537 else exponent, 4),
                modulus=sized(modulus),
                key_end=b"",
            )
        numbers, size = public.public_numbers(), public.key_size // 8
        return head + self._structure(
            curve=_number(_CURVES[public.curve.name], 2),
            derivation=_NULL,
            x=sized(numbers.x.to_bytes(size, "big")),
            y=sized(numbers.y.to_bytes(size, "big")),
            key_end=b"",
        )

    def _signed(self, data: bytes) -> bytes:
        signer, algorithm = self.signer or self.key, _HASHES[self.algorithm]
        if isinstance(signer, ec.EllipticCurvePrivateKey):
            made = signer.sign(data, ec.ECDSA(algorithm, deterministic_signing=True))
            size = (signer.key_size + 7) // 8
            return b"".join(sized(number.to_bytes(size, "big")) for number in decode_dss_signature(made))
        if self.scheme == "rsapss":
            # Without a salt, so that equal plans give equal bytes; TPMs take one.
            pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=0)
            return sized(signer.sign(data, pss, algorithm))
        return sized(signer.sign(data, padding.PKCS1v15(), algorithm))

    def _banks(self) -> list[tuple[str, list[tuple[int, bytes]]]]:
        return [(bank, sorted(registers.items())) for bank, registers in self.values.items()]

    def _selection(self) -> bytes:
        """TPML_PCR_SELECTION."""
        banks = [
            _number(ALGORITHMS[bank], 2) + b"\x03" + sum(1 << number for number, _ in registers).to_bytes(3, "little")
            for bank, registers in self._banks()
        ]
        return _number(len(banks), 4) + b"".join(banks)

    def _structure(self, **parts: bytes) -> bytes:
        return b"".join(self.parts.get(name, right) for name, right in parts.items())


def sized(data: bytes) -> bytes:
    """TPM2B_…"""
    return _number(len(data), 2) + data


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")
