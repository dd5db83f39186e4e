"""Certificates that are wrong in one way: those in the quote, and what they say of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from casemate.testing.amd.der import encode, sequence
from casemate.testing.intel.bodies import MachinePlan, pair
from casemate.testing.intel.plan import Change, Plan, pem
from casemate.testing.intel.wrong import AUTHORITY, LEAF, ROOT, Wrong, certificate, endorsement, machine, then

__all__ = ["WRONG_CHAINS"]

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


def _parts(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    """Of the PEM in the quote: machine, authority, root."""

    def order(data: bytes) -> bytes:
        return b"".join(change([_BEGIN + part for part in data.split(_BEGIN)[1:]]))

    return lambda plan: replace(plan, order=order)


def _text(change: Callable[[bytes], bytes]) -> Change:
    return lambda plan: replace(plan, order=change)


def _pck(change: Change) -> Wrong:
    return endorsement("pck", change)


def _chain(change: Change) -> Wrong:
    return endorsement("chain", change)


def _other_algorithm(der: bytes) -> bytes:
    """The name of the algorithm beside the signature, which no signature covers."""
    name = bytes.fromhex("2a8648ce3d040302")
    at = der.rindex(name)
    return der[:at] + name[:-1] + b"\x03" + der[at + len(name) :]


def _unused_bit(plan: Plan) -> Plan:
    """A root whose signature ends in a zero, and says that this bit is none of it: the same number all the same."""
    root, authority, machine = plan.chain
    even = next(made for serial in count(50) if (made := replace(root, serial=serial)).issue()[-1] % 2 == 0)

    def change(der: bytes) -> bytes:
        at = der.rindex(b"\x03" + bytes((len(x509.load_der_x509_certificate(der).signature) + 1,)) + b"\0") + 2
        return der[:at] + b"\x01" + der[at + 1 :]

    return replace(plan, chain=(replace(even, change=change), authority, machine))


def _free_bit(text: bytes) -> bytes:
    """Base64 that ends in `==` leaves four bits of its last letter free, and two where it ends in `=`."""
    at = text.index(b"=\n")
    at -= text[at - 1] == ord("=")
    return text[: at - 1] + bytes((text[at - 1] + 1,)) + text[at:]


_NAMES: Final = {
    "root-of-another-key": endorsement(
        "root", then(certificate(ROOT, key="other", signer="other"), certificate(AUTHORITY, signer="other"))
    ),
    "root-that-another-signed": endorsement("root", certificate(ROOT, signer="other")),
    "root-of-another-name": endorsement(
        "root", then(certificate(ROOT, subject="Intel SGX Root", issuer="Intel SGX Root"))
    ),
    "root-that-may-not-sign-lists": _chain(certificate(ROOT, uses=("key_cert_sign",))),
    "root-over-no-authorities": _chain(certificate(ROOT, path_length=0)),
    "root-with-another-algorithm-named": endorsement("root", certificate(ROOT, change=_other_algorithm)),
    "root-with-a-bit-of-its-signature-unused": endorsement("root", _unused_bit),
    "authority-that-another-signed": _chain(certificate(AUTHORITY, signer="other")),
    "authority-of-another-name": _chain(
        then(certificate(AUTHORITY, subject="Intel SGX PCK CA"), certificate(LEAF, issuer="Intel SGX PCK CA"))
    ),
    "authority-that-is-none": _chain(certificate(AUTHORITY, path_length=None)),
    "authority-that-may-not-sign": _chain(certificate(AUTHORITY, uses=("crl_sign",))),
    "authority-that-may-not-sign-lists": _chain(certificate(AUTHORITY, uses=("key_cert_sign",))),
    "authority-with-another-algorithm-named": _chain(certificate(AUTHORITY, change=_other_algorithm)),
    "machine-that-another-signed": _chain(certificate(LEAF, signer="other")),
    "machine-of-another-name": _chain(certificate(LEAF, subject="Intel SGX TCB Signing")),
    "machine-of-another-authority": _chain(certificate(LEAF, issuer="Intel SGX PCK Processor CA")),
    "machine-that-is-an-authority": _pck(certificate(LEAF, path_length=0)),
    "machine-that-signs-certificates": _pck(certificate(LEAF, uses=("key_cert_sign",))),
    "machine-of-another-curve": _pck(certificate(LEAF, curve=ec.SECP384R1())),
    "machine-with-another-algorithm-named": _chain(certificate(LEAF, change=_other_algorithm)),
}

_PEM: Final = {
    "no-certificates": _pck(_text(lambda _: b"")),
    "two-certificates": _pck(_parts(lambda parts: parts[:2])),
    "four-certificates": _pck(_parts(lambda parts: [*parts, parts[2]])),
    "certificates-in-another-order": endorsement("root", _parts(lambda parts: parts[::-1])),
    "certificates-with-words-between": _pck(_parts(lambda parts: [parts[0], b"and\n", *parts[1:]])),
    "certificates-in-der": _pck(_text(lambda _: b"\x30\x03\x02\x01\x01")),
    "certificates-with-free-bits": _pck(_text(_free_bit)),
    "certificates-that-are-followed-by-zeros": _pck(_text(lambda text: text + bytes(2))),
    "certificates-of-something-else": endorsement("certificates", _text(lambda _: pem(b"\x30\x00") * 3)),
}

_MACHINE: Final = {
    "machine-with-memory-of-an-unknown-kind": _pck(machine(other={5: encode(10, b"\x03")})),
    "machine-with-another-truth": _pck(machine(other={7: sequence([pair(bytes((7, 3)), encode(1, b"\x01"))])})),
    "machine-with-smt-that-is-text": _pck(machine(other={7: sequence([pair(bytes((7, 3)), encode(12, b"\xff"))])})),
    "machine-with-more-behind-it": _pck(certificate(LEAF, extensions=MachinePlan(tail=encode(0x30, b"")).extension())),
    "machine-that-says-nothing": _pck(certificate(LEAF, extensions=())),
    **{f"machine-without-part-{arc}": _pck(machine(other={arc: None})) for arc in range(1, 6)},
    "machine-with-a-part-more": _pck(machine(other={8: encode(4, b"")})),
    "machine-with-a-short-ppid": _pck(machine(ppid=bytes(15))),
    "machine-with-text-for-its-ppid": _pck(machine(other={1: encode(12, b"p" * 16)})),
    "machine-with-a-long-fmspc": _pck(machine(fmspc=bytes(7))),
    "machine-with-a-short-pce-id": _pck(machine(other={3: encode(4, b"\0")})),
    "machine-with-a-negative-type": _pck(machine(other={5: encode(10, b"\xff")})),
    "machine-with-a-padded-type": _pck(machine(other={5: encode(10, b"\0\x01")})),
    "machine-with-an-empty-type": _pck(machine(other={5: encode(10, b"")})),
    "machine-with-text-for-its-tcb": _pck(machine(other={2: encode(12, b"tcb")})),
    "machine-with-an-empty-tcb": _pck(machine(other={2: encode(0x30, b"")})),
    # The last one that both implementations read is right: `newer-than-all-levels`.
    "machine-with-a-pce-svn-of-32768": _pck(machine(pce_svn=1 << 15)),
    "machine-with-a-pce-svn-of-65535": _pck(machine(pce_svn=(1 << 16) - 1)),
    "machine-with-a-large-pce-svn": _pck(machine(pce_svn=1 << 16)),
}

WRONG_CHAINS: Final[Mapping[str, Wrong]] = {**_NAMES, **_PEM, **_MACHINE}
