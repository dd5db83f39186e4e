"""Quotes that are wrong in one way. Where nothing else is said, machine and quoting enclave really signed them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from casemate.errors import EvidenceMalformedError
from casemate.testing.intel.log import event_log, registers
from casemate.testing.intel.plan import Plan
from casemate.testing.intel.wrong import (
    Wrong,
    after,
    body,
    endorsement,
    malformed,
    quote,
    quoting,
    rejected,
    signature,
    then,
)

__all__ = ["WRONG_ENCLAVES", "WRONG_NESTED", "WRONG_NEWER_TDS", "WRONG_QUOTES", "WRONG_TDS", "WRONG_TYPED_ENCLAVES"]

_ONE: Final = b"\x01"
_LENGTH: Final = 4
_TD_REPORT_DATA, _TD_CONFIG, _TD_TCB2, _TD_SERVICE = 520, 184, 584, 600
_TD_ATTRIBUTES, _TD_XFAM, _TD_RTMRS = 120, 128, 328
_LOGGED: Final = tuple(f"what register {number} is about".encode() for number in range(5))
_FLAGS, _CONFIG, _CONFIG_SVN, _REPORT_DATA = 48, 192, 260, 320


def _signature_at(plan: Plan) -> int:
    return 48 + len(plan.quote.body) + (0 if plan.quote.body_kind is None else 6)


def _version_6(plan: Plan) -> Plan:
    """In the form of version 5."""
    return quote(version=6, body_kind=2 if plan.tdx else 1)(plan)


def _longer(plan: Plan) -> Plan:
    """A byte more in the signature, and its length says so."""

    def whole(data: bytes) -> bytes:
        start = _signature_at(plan)
        (length,) = struct.unpack_from("<I", data, start)
        return data[:start] + struct.pack("<I", length + 1) + data[start + _LENGTH :] + b"\0"

    return replace(plan, quote=replace(plan.quote, whole=whole))


def _another_version_was_signed(plan: Plan) -> Plan:
    """Version 3, with all that follows in the form of a later one, or 4 that goes for 3: the number says who judges."""
    descriptor = 0 if plan.quote.body_kind is None else 6
    begins, version = (struct.pack("<H", one) for one in (4 if plan.quote.version == 3 else 3, plan.quote.version))

    def signed(data: bytes) -> bytes:
        return begins + data[2:48] + data[48 + descriptor :]

    def whole(data: bytes) -> bytes:
        kind = struct.pack("<HI", plan.quote.body_kind or 0, len(plan.quote.body))[:descriptor]
        return version + data[2:48] + kind + data[48:]

    return replace(plan, quote=replace(plan.quote, signed=signed, whole=whole))


def _flags(bits: int) -> bytes:
    return (bits | 0x85).to_bytes(8, "little")


def _td_flags(bits: int) -> bytes:
    return (bits ^ 1 << 28).to_bytes(8, "little")


def _zero_signature(plan: Plan) -> Plan:
    def whole(data: bytes) -> bytes:
        start = _signature_at(plan) + _LENGTH
        return data[:start] + bytes(64) + data[start + 64 :]

    return replace(plan, quote=replace(plan.quote, whole=whole))


_FORM: Final = {
    "quote-is-empty": malformed(quote(whole=lambda data: data[:0])),
    "quote-is-cut": malformed(quote(whole=lambda data: data[:-1])),
    "quote-is-cut-in-its-report": malformed(quote(whole=lambda data: data[:100])),
    "quote-is-followed-by-something": malformed(quote(padding=bytes(50) + _ONE)),
    "quote-of-version-2": malformed(quote(version=2)),
    "quote-of-version-6": malformed(_version_6),
    "quote-with-a-p384-key": malformed(quote(key_type=3)),
    "quote-of-another-environment": malformed(quote(tee_type=1)),
    "quote-of-another-vendor": malformed(quote(vendor=bytes(16))),
    "quote-with-more-in-its-signature": malformed(_longer),
    "quoting-enclave-with-a-reserved-byte": malformed(quoting(reserved=(31, _ONE))),
    # The enclave really holds them: its report has their hash.
    "no-authentication-data": malformed(quote(authentication=b"")),
    "authentication-data-less-a-byte": malformed(quote(authentication=bytes(range(31)))),
    "authentication-data-and-a-byte": malformed(quote(authentication=bytes(range(33)))),
    "authentication-data-of-40000-bytes": malformed(quote(authentication=bytes(40_000))),
}

_SIGNATURES: Final = {
    "another-machine-vouches": signature("qe_signature", quote(machine="other")),
    "quoting-enclave-holds-another-key": signature("qe_signature", quote(held="other")),
    "quoting-enclave-holds-more": signature("qe_signature", quote(held_tail=_ONE.rjust(32, b"\0"))),
    "quote-by-another-key": signature("signature", quote(signer="other")),
    "certificates-are-named-only": endorsement("pck", quote(certification_type=1)),
    "report-changed-afterwards": signature("signature", after(0, b"\xee")),
    "signature-of-zeros": signature("signature", _zero_signature),
}

WRONG_QUOTES: Final[Mapping[str, Wrong]] = {**_FORM, **_SIGNATURES}

WRONG_NESTED: Final[Mapping[str, Wrong]] = {
    "quote-with-a-reserved-field-in-its-header": malformed(quote(reserved=b"\0\0\0\x01")),
    "certification-of-another-type": malformed(quote(vouching_type=5)),
    "certification-with-more-in-it": malformed(quote(vouching_tail=b"\0")),
}
"""From version 4 on, where certification data hold the quoting enclave's report, and the header a reserved field."""

WRONG_TDS: Final[Mapping[str, Wrong]] = {
    "quote-of-version-3": malformed(quote(version=3)),
    "quote-that-says-sgx": malformed(quote(tee_type=0)),
    "debug": rejected("debug", body(_TD_ATTRIBUTES, _td_flags(0b1))),
    "profiling-of-performance": rejected("debug", body(_TD_ATTRIBUTES, _td_flags(1 << 5))),
    "debug-removed-afterwards": signature(
        "signature",
        then(body(_TD_ATTRIBUTES, _td_flags(0b1)), after(_TD_ATTRIBUTES, _td_flags(0))),
    ),
    "migratable": rejected("migration", body(_TD_ATTRIBUTES, _td_flags(1 << 29))),
    "pages-may-go": rejected("attributes", body(_TD_ATTRIBUTES, bytes(8))),
    "attribute-of-bit-8": rejected("attributes", body(_TD_ATTRIBUTES, _td_flags(1 << 8))),
    "attribute-of-bit-62": rejected("attributes", body(_TD_ATTRIBUTES, _td_flags(1 << 62))),
    "xfam-without-sse": rejected("attributes", body(_TD_XFAM, b"\x01")),
    "xfam-of-bit-63": rejected("attributes", body(_TD_XFAM + 7, b"\x80")),
    "module-by-somebody-else": rejected("module", body(64, _ONE)),
    "module-not-for-production": rejected("module", body(112, _ONE)),
    "module-that-nobody-knows": rejected("module", body(1, b"\x02")),
    "module-older-than-all-levels": rejected("module", body(0, b"\0")),
    "module-revoked": rejected("tcb_revoked", body(0, b"\x02")),
    "another-manifest": rejected("manifest", body(_TD_CONFIG, bytes(32))),
    "manifest-with-a-tail": rejected("manifest", body(_TD_CONFIG + 47, _ONE)),
    "another-nonce": rejected("report_data", body(_TD_REPORT_DATA, bytes(64))),
    "log-of-another-domain": rejected("log", lambda plan: replace(plan, log=event_log((b"d" * 48,) * 4))),
    "log-of-a-register-more": rejected(
        "log",
        then(
            body(_TD_RTMRS, b"".join(registers(_LOGGED[:4]).values())),
            lambda plan: replace(plan, log=event_log(_LOGGED)),
        ),
    ),
    "log-with-a-record-of-mrtd": rejected(
        "log",
        then(
            body(_TD_RTMRS, b"".join(registers(_LOGGED[1:]).values())),
            lambda plan: replace(plan, log=event_log(_LOGGED, 0)),
        ),
    ),
    "log-that-is-none": Wrong(lambda plan: replace(plan, log=b"log"), EvidenceMalformedError, "evidence.log"),
}

WRONG_NEWER_TDS: Final[Mapping[str, Wrong]] = {
    "quote-of-a-newer-domain-that-says-sgx": malformed(quote(tee_type=0)),
    "body-of-an-sgx-type": malformed(quote(body_kind=1)),
    "body-of-type-4": malformed(quote(body_kind=4)),
    "body-of-an-older-type": malformed(quote(body_kind=2)),
    "running-under-a-module-that-nobody-knows": rejected("module", body(_TD_TCB2, b"\x05\x02")),
    "running-under-a-revoked-module": rejected("tcb_revoked", body(_TD_TCB2, b"\x02")),
    "running-below-all-levels": rejected("tcb", body(_TD_TCB2 + 15, b"\0")),
    "bound-to-another-domain": rejected("migration", body(_TD_SERVICE, _ONE)),
}

WRONG_TYPED_ENCLAVES: Final[Mapping[str, Wrong]] = {
    **{f"body-of-type-{kind}": malformed(quote(body_kind=kind)) for kind in (0, 2, 3, 4, 0x101)},
    "body-of-its-size-less-a-byte": malformed(quote(body_size=383)),
    "body-of-its-size-and-a-byte": malformed(quote(body_size=385)),
    "body-of-a-td-reports-size": malformed(quote(body_size=584)),
    "body-of-a-td-reports-type-and-size": malformed(quote(body_kind=2, body_size=584)),
    "body-without-a-size": malformed(quote(body_size=0)),
}
"""Of version 5."""

WRONG_ENCLAVES: Final[Mapping[str, Wrong]] = {
    "quote-that-says-tdx": malformed(quote(tee_type=0x81)),
    "another-version-was-signed": signature("signature", _another_version_was_signed),
    "reserved-after-miscselect": malformed(body(20, _ONE)),
    "reserved-after-mrenclave": malformed(body(96, _ONE)),
    "reserved-after-mrsigner": malformed(body(191, _ONE)),
    "reserved-after-configsvn": malformed(body(262, _ONE)),
    "debug": rejected("debug", body(_FLAGS, _flags(0b10))),
    "debug-removed-afterwards": signature("signature", then(body(_FLAGS, _flags(0b10)), after(_FLAGS, _flags(0)))),
    "not-initialised": rejected("attributes", body(_FLAGS, b"\x84")),
    "attribute-of-bit-3": rejected("attributes", body(_FLAGS, _flags(1 << 3))),
    "attribute-of-bit-63": rejected("attributes", body(_FLAGS, _flags(1 << 63))),
    "may-provision": rejected("attributes", body(_FLAGS, _flags(1 << 4))),
    "may-launch": rejected("attributes", body(_FLAGS, _flags(1 << 5))),
    "configuration-without-kss": rejected("attributes", body(_FLAGS, b"\x05")),
    "configuration-version-without-kss": rejected("attributes", then(body(_FLAGS, b"\x05"), body(_CONFIG, bytes(64)))),
    "no-kss": rejected("manifest", then(body(_FLAGS, b"\x05"), body(_CONFIG, bytes(64)), body(_CONFIG_SVN, bytes(2)))),
    "another-manifest": rejected("manifest", body(_CONFIG, bytes(32))),
    "manifest-with-a-tail": rejected("manifest", body(_CONFIG + 63, _ONE)),
    "another-nonce": rejected("report_data", body(_REPORT_DATA, bytes(64))),
}
