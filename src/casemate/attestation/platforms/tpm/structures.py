"""What a TPM and its owner send: a quote, its signature, the key that made it, the registers that it is about.

Source: TCG, Trusted Platform Module Library, Part 2 "Structures", revision 1.59; sections are named below. Big-endian.
Nothing of it is believed before the signature verified, and of the key nothing but its numbers is signed by anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from casemate.errors import EvidenceMalformedError, TooLargeError

__all__ = ["ATTRIBUTES", "BEGINNING", "MAX_REPORT_BYTES", "Attest", "Public", "Quote", "Signature"]

MAX_REPORT_BYTES: Final = 16 * 1024
"""Of four banks, twenty-four registers each, with RSA of 4,096 bits: below 6 KiB."""

_GENERATED: Final = 0xFF54_4347
_QUOTE: Final = 0x8018
BEGINNING: Final = _GENERATED.to_bytes(4, "big") + _QUOTE.to_bytes(2, "big")
"""Of what the TPM itself made (6.2) and calls a quote (6.9)."""

_HASHES: Final = {0x0004: "sha1", 0x000B: "sha256", 0x000C: "sha384", 0x000D: "sha512"}
_NAMING: Final = {number: name for number, name in _HASHES.items() if name != "sha1"}
"""A key's name stands for all that a policy says of the key: of two that collide one could be anything."""
_SIZES: Final = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}
_SCHEMES: Final = {0x0014: "rsassa", 0x0016: "rsapss", 0x0018: "ecdsa"}
_CURVES: Final = {0x0003: "p256", 0x0004: "p384"}
_RSA, _ECC, _NULL = 0x0001, 0x0023, 0x0010

ATTRIBUTES: Final = {
    1: "fixedTPM", 2: "stClear", 4: "fixedParent", 5: "sensitiveDataOrigin", 6: "userWithAuth", 7: "adminWithPolicy",
    10: "noDA", 11: "encryptedDuplication", 16: "restricted", 17: "decrypt", 18: "sign", 19: "x509sign",
}  # fmt: skip
"""TPMA_OBJECT (8.3); the other bits are reserved and zero."""

_SELECT_BYTES: Final = 3
"""Of a selection: a PC Client TPM has twenty-four registers."""
_MAX_RSA_BYTES: Final = 512


@dataclass(frozen=True)
class Attest:
    """TPMS_ATTEST (10.12.8) of a quote. `selection`: bank and its registers, in the order of the values."""

    signer: bytes
    extra: bytes
    clock: int
    resets: int
    restarts: int
    safe: bool
    firmware: int
    selection: tuple[tuple[str, tuple[int, ...]], ...]
    digest: bytes


@dataclass(frozen=True)
class Signature:
    """TPMT_SIGNATURE (11.3.4). `value` of RSA, else r ‖ s of an equal number of bytes."""

    scheme: str
    algorithm: str
    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Public:
    """TPMT_PUBLIC (12.2.4) of a key. `scheme` is empty where the key has none of its own. `numbers`: modulus and
    exponent, or x and y on `curve`. `name` is what the TPM calls it: a digest over all of this.
    """

    attributes: frozenset[str]
    scheme: str
    algorithm: str
    curve: str
    bits: int
    numbers: tuple[int, int] = field(repr=False)
    name: bytes


@dataclass(frozen=True)
class Quote:
    """`values` by bank and register. `signed` are the bytes under the signature, `public` those that say the key."""

    attest: Attest
    signature: Signature
    key: Public
    values: Mapping[str, Mapping[int, bytes]]
    signed: bytes = field(repr=False)
    public: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> Quote:
        """TPM2B_ATTEST ‖ TPMT_SIGNATURE ‖ TPM2B_PUBLIC ‖ values. Errors: EvidenceMalformedError, TooLargeError."""
        if len(data) > MAX_REPORT_BYTES:
            raise TooLargeError("the quote is too large", expected=f"≤ {MAX_REPORT_BYTES} bytes", got=str(len(data)))
        reader = _Reader(data)
        signed = reader.sized()
        signature = _signature(reader)
        public = reader.sized()
        attest = _attest(_Reader(signed))
        values = {bank: {number: reader.take(_SIZES[bank]) for number in numbers} for bank, numbers in attest.selection}
        reader.end()
        return cls(attest, signature, _public(_Reader(public), public), values, signed, public)

    def digest(self) -> bytes:
        """Of the values, as the quote has it: by the hash of its signature."""
        joined = b"".join(value for registers in self.values.values() for value in registers.values())
        return hashlib.new(self.signature.algorithm, joined, usedforsecurity=False).digest()


def _attest(reader: _Reader) -> Attest:
    if reader.number(4) != _GENERATED:
        raise EvidenceMalformedError("signed, but not made by the TPM", step="evidence.generated")
    if (kind := reader.number(2)) != _QUOTE:
        raise EvidenceMalformedError("no quote", step="evidence.type", expected=f"{_QUOTE:#x}", got=f"{kind:#x}")
    attest = Attest(
        signer=reader.sized(),
        extra=reader.sized(),
        clock=reader.number(8),
        resets=reader.number(4),
        restarts=reader.number(4),
        safe=_yes_or_no(reader.number(1)),
        firmware=reader.number(8),
        selection=_selection(reader),
        digest=reader.sized(),
    )
    reader.end()
    return attest


def _yes_or_no(value: int) -> bool:
    if value > 1:
        raise _malformed("neither yes nor no")
    return value == 1


def _selection(reader: _Reader) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """TPML_PCR_SELECTION (10.9.7). Banks of which nothing is selected are left out."""
    found: dict[str, tuple[int, ...]] = {}
    for _ in range(reader.number(4)):
        bank = _known(_HASHES, reader.number(2), "evidence.banks", "bank")
        if bank in found or reader.number(1) != _SELECT_BYTES:
            raise _malformed("a selection with a bank that comes twice, or of another size")
        bits = int.from_bytes(reader.take(_SELECT_BYTES), "little")
        found[bank] = tuple(number for number in range(8 * _SELECT_BYTES) if bits >> number & 1)
    return tuple((bank, numbers) for bank, numbers in found.items() if numbers)


def _signature(reader: _Reader) -> Signature:
    scheme = _known(_SCHEMES, reader.number(2), "evidence.algorithm", "signature scheme")
    algorithm = _known(_HASHES, reader.number(2), "evidence.algorithm", "hash")
    if scheme != "ecdsa":
        return Signature(scheme, algorithm, reader.sized())
    r, s = reader.sized(), reader.sized()
    size = max(len(r), len(s))
    return Signature(scheme, algorithm, r.rjust(size, b"\0") + s.rjust(size, b"\0"))


def _public(reader: _Reader, data: bytes) -> Public:
    kind = reader.number(2)
    name_algorithm = reader.number(2)
    named = _known(_NAMING, name_algorithm, "evidence.key", "hash of a name")
    attributes = _attributes(reader.number(4))
    if len(reader.sized()) not in (0, _SIZES[named]):
        raise _malformed("a key with a policy of another size")
    if reader.number(2) != _NULL:
        raise _malformed("a key with a cipher, which a key that signs has not")
    if kind == _RSA:
        scheme, algorithm = _scheme(reader)
        curve, bits, numbers = _rsa(reader)
    elif kind == _ECC:
        scheme, algorithm = _scheme(reader)
        curve, bits, numbers = _ecc(reader)
    else:
        raise EvidenceMalformedError("a key of another kind", step="evidence.key", expected="RSA or ECC")
    reader.end()
    name = name_algorithm.to_bytes(2, "big") + hashlib.new(named, data, usedforsecurity=False).digest()
    return Public(attributes, scheme, algorithm, curve, bits, numbers, name)


def _attributes(bits: int) -> frozenset[str]:
    if bits & ~sum(1 << bit for bit in ATTRIBUTES):
        raise _malformed("a key with reserved attributes")
    return frozenset(name for bit, name in ATTRIBUTES.items() if bits >> bit & 1)


def _scheme(reader: _Reader) -> tuple[str, str]:
    """TPMT_RSA_SCHEME, TPMT_ECC_SCHEME: scheme and hash."""
    scheme = reader.number(2)
    if scheme == _NULL:
        return "", ""
    return (
        _known(_SCHEMES, scheme, "evidence.algorithm", "signature scheme"),
        _known(_HASHES, reader.number(2), "evidence.algorithm", "hash"),
    )


def _rsa(reader: _Reader) -> tuple[str, int, tuple[int, int]]:
    """Exponent 0 stands for 65,537 (12.2.3.5)."""
    bits, exponent, modulus = reader.number(2), reader.number(4), reader.sized()
    value = int.from_bytes(modulus, "big")
    if len(modulus) > _MAX_RSA_BYTES or not 8 * len(modulus) == value.bit_length() == bits:
        raise _malformed("an RSA key of another size than it says, or too large")
    return "", bits, (value, exponent or 65537)


def _ecc(reader: _Reader) -> tuple[str, int, tuple[int, int]]:
    curve = _known(_CURVES, reader.number(2), "evidence.key", "curve")
    if reader.number(2) != _NULL:
        raise _malformed("a key with a derivation scheme, which a key that signs has not")
    x, y = reader.sized(), reader.sized()
    return curve, int(curve[1:]), (int.from_bytes(x, "big"), int.from_bytes(y, "big"))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, length: int) -> bytes:
        data = self._data[self._at : self._at + length]
        if len(data) != length:
            raise _malformed("cut off")
        self._at += length
        return data

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self) -> bytes:
        """TPM2B_…: two bytes of size before it."""
        return self.take(self.number(2))

    def end(self) -> None:
        if self._at != len(self._data):
            raise _malformed("bytes behind its end")


def _known(names: Mapping[int, str], value: int, step: str, what: str) -> str:
    """By its number in the TCG Algorithm Registry."""
    if value not in names:
        raise EvidenceMalformedError(
            f"a {what} that is not known", step=step, expected=", ".join(names.values()), got=f"{value:#06x}"
        )
    return names[value]


def _malformed(why: str) -> EvidenceMalformedError:
    return EvidenceMalformedError(f"no quote of a TPM: {why}", step="evidence.quote")
