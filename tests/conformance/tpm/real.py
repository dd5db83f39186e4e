"""Quotes of real TPMs as other projects keep them, put into our form."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from casemate.testing.tpm.quotes import sized

__all__ = ["Google", "google", "pem", "trustee", "windows"]


@dataclass(frozen=True)
class Google:
    """What go-tpm-tools keep: quotes by the number of their bank, a log, the certificate of the key."""

    quotes: dict[int, bytes]
    log: bytes
    certificate: bytes


def google(path: Path) -> Google:
    """`attest.Attestation`: 1 the key, 2 quotes, 3 the log, 6 the certificate of the key."""
    top = list(_fields(path.read_bytes()))
    parts = {number: value for number, value in top if isinstance(value, bytes)}
    quotes = dict(_quote(value, parts[1]) for number, value in top if number == 2 and isinstance(value, bytes))
    return Google(quotes, parts[3], pem(parts[6]))


def _quote(data: bytes, public: bytes) -> tuple[int, bytes]:
    """`tpm.Quote`: 1 message, 2 signature, 3 registers: 1 the bank, 2 number and value of each."""
    parts = {number: value for number, value in _fields(data) if isinstance(value, bytes)}
    registers = list(_fields(parts[3]))
    values = dict(_register(value) for number, value in registers if number == 2 and isinstance(value, bytes))
    bank = next(value for number, value in registers if number == 1 and isinstance(value, int))
    joined = b"".join(values[number] for number in sorted(values))
    return bank, sized(parts[1]) + parts[2] + sized(public) + joined


def _register(data: bytes) -> tuple[int, bytes]:
    parts = dict(_fields(data))
    number, value = parts.get(1, 0), parts[2]
    assert isinstance(number, int)
    assert isinstance(value, bytes)
    return number, value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Protocol buffers, as far as these go: numbers and bytes."""
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        value, at = _number(data, at)
        if tag & 7 == 2:
            yield tag >> 3, data[at : at + value]
            at += value
        else:
            yield tag >> 3, value


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def windows(path: Path) -> tuple[bytes, bytes]:
    """Report and log of what go-attestation keeps."""
    kept: dict[str, Any] = json.loads(path.read_text())
    message, signature = (base64.b64decode(kept["Quote"][name]) for name in ("Quote", "Signature"))
    values = {entry["Index"]: base64.b64decode(entry["Digest"]) for entry in kept["Log"]["PCRs"]}
    joined = b"".join(values[number] for number in sorted(values))
    public = base64.b64decode(kept["AK"]["Public"])
    return sized(message) + signature + sized(public) + joined, base64.b64decode(kept["Log"]["Raw"])


def trustee(path: Path) -> bytes:
    """What trustee keeps has the numbers of the key only: it gets the attributes that such a key has."""
    kept: dict[str, Any] = json.loads(path.read_text())
    quote = kept["tpm_quote"]
    key = load_der_public_key(base64.b64decode(kept["ak_public"]))
    assert isinstance(key, rsa.RSAPublicKey)
    modulus = key.public_numbers().n.to_bytes(key.key_size // 8, "big")
    public = bytes.fromhex("0001000b00050072000000100014000b") + key.key_size.to_bytes(2, "big") + bytes(4)
    message, signature = (base64.b64decode(quote[name]) for name in ("message", "signature"))
    joined = b"".join(bytes.fromhex(value) for value in quote["pcrs"])
    return sized(message) + signature + sized(public + sized(modulus)) + joined


def pem(certificate: bytes) -> bytes:
    loaded = (
        x509.load_pem_x509_certificate(certificate)
        if certificate.startswith(b"-----")
        else x509.load_der_x509_certificate(certificate)
    )
    return loaded.public_bytes(Encoding.PEM)
