"""Certificates that are wrong in one way. Where nothing else is said, each is really signed by the one before it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from casemate.attestation.platforms.sev_snp import key_extensions as oids
from casemate.attestation.platforms.sev_snp.products import GENOA, MILAN, TURIN, Product
from casemate.attestation.platforms.sev_snp.table import ARK, ASK, MAX_TABLE_BYTES, VCEK, VLEK
from casemate.errors import EndorsementError
from casemate.testing.amd.certificates import END, START, usage
from casemate.testing.amd.keys import Scheme, authority_key, report_key, small_key
from casemate.testing.amd.plan import Plan, amd, authority, certified, integer, right
from casemate.testing.amd.wrong import Change, Wrong, intermediate, leaf, root

__all__ = ["WRONG_CHAINS"]

_CHIP: Final = bytes(range(1, 65))
_CRITICAL: Final = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.999"), b"\x05\x00"), True
_UNREADABLE: Final = (
    x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.24"), b"\x30\x03\x02\x01\x63"),
    False,
)
"""A TLS feature (RFC 7633) of a number that there is not."""
_SECOND: Final = timedelta(seconds=1)
_HEAD: Final = 4 * 24  # three entries and the one of zeros


def _bad(step: str, change: Change, base: Callable[[], Plan] = right) -> Wrong:
    return Wrong(change, EndorsementError, f"evidence.{step}", base)


def _table(change: Callable[[bytes], bytes]) -> Wrong:
    return _bad("certificates", lambda plan: replace(plan, table=change))


def _without(guid: object) -> Wrong:
    return _bad(
        "certificates", lambda plan: replace(plan, entries=lambda made: {k: v for k, v in made.items() if k != guid})
    )


def _garbage(guid: Any, value: bytes) -> Wrong:
    return _bad("certificates", lambda plan: replace(plan, entries=lambda made: {**made, guid: value}))


def _vcek(changed: Mapping[str, bytes | None], product: Product = MILAN, chip: bytes | None = _CHIP) -> Change:
    """A report key with other extensions of AMD's; None leaves one out."""
    values = {**certified(product, chip), **changed}
    return leaf(extensions=amd({oid: value for oid, value in values.items() if value is not None}))


def _spl(arc: int) -> str:
    return f"{oids.SPL}.{arc}"


def _vlek() -> Plan:
    return right(vlek=True)


def _turin() -> Plan:
    return right(TURIN)


def _other_line(plan: Plan) -> Plan:
    """A whole chain of Milan below a root of Genoa, which is pinned too."""
    genoa = replace(right(GENOA).ark, key=authority_key("stranger"), signer=authority_key("stranger"))
    return replace(plan, ark=genoa)


def _foreign_key(plan: Plan) -> Plan:
    return intermediate(signer=authority_key("stranger"))(plan)


def _asvk_for_vcek(plan: Plan) -> Plan:
    other = right(vlek=True).intermediate
    return leaf(signer=other.key, issuer=other.subject)(replace(plan, intermediate=other))


def _ask_for_vlek(plan: Plan) -> Plan:
    other = right().intermediate
    return leaf(signer=other.key, issuer=other.subject)(replace(plan, intermediate=other))


def _leaf_below_root(plan: Plan) -> Plan:
    """No ASK between: the root itself signs the report key."""
    return replace(plan, intermediate=plan.ark, leaf=replace(plan.leaf, signer=plan.ark.key, issuer=plan.ark.subject))


def _small_authority(plan: Plan) -> Plan:
    return leaf(signer=small_key("ask"))(intermediate(key=small_key("ask"))(plan))


def _elliptic_authority(plan: Plan) -> Plan:
    return leaf(signer=report_key("ask"))(intermediate(key=report_key("ask"))(plan))


def _twice(plan: Plan) -> Plan:
    """One extension twice, which no library would sign: another one is renamed to it, and it is signed anew."""
    return leaf(change=lambda signed: signed.replace(_oid(_spl(7)), _oid(_spl(6))))(plan)


def _oid(dotted: str) -> bytes:
    """The last bytes of AMD's object identifiers: 1.3.6.1.4.1.3704.1.…"""
    parts = [int(part) for part in dotted.removeprefix("1.3.6.1.4.1.").split(".")]
    assert parts[0] == 3704
    return bytes((0x9C, 0x78, *parts[1:]))


_TABLES: Final = {
    "table-is-empty": _table(lambda table: table[:0]),
    "table-without-end": _table(lambda table: table[: _HEAD - 24]),
    "table-too-large": _table(lambda table: table.ljust(MAX_TABLE_BYTES + 1, b"\0")),
    "table-entry-past-its-end": _table(lambda table: table[:-1]),
    "table-entry-into-its-head": _table(lambda table: table[:16] + struct.pack("<I", _HEAD - 1) + table[20:]),
    "table-entry-twice": _table(lambda table: table[:24] + table[:24] + table[48:]),
    "table-without-ask": _without(ASK),
    "table-without-vcek": _without(VCEK),
    "table-with-vlek-for-a-vcek": _bad(
        "certificates",
        lambda plan: replace(plan, entries=lambda made: {ARK: made[ARK], ASK: made[ASK], VLEK: made[VCEK]}),
    ),
    "ark-is-garbage": _garbage(ARK, b"garbage"),
    "ask-is-empty": _garbage(ASK, b""),
    "vcek-is-broken-pem": _garbage(VCEK, b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"),
}

_ROOTS: Final = {
    "root-not-pinned": _bad("root", lambda plan: replace(plan, pinned=False)),
    "root-not-in-the-table": _bad(
        "root", lambda plan: replace(plan, entries=lambda made: {k: v for k, v in made.items() if k != ARK})
    ),
    "root-of-an-unknown-line": _bad("root", root(subject="ARK-Naples", issuer="ARK-Naples")),
    "root-without-its-prefix": _bad("root", root(subject="Milan", issuer="Milan")),
    "root-signed-by-somebody-else": _bad("chain", root(signer=authority_key("stranger"))),
    "root-no-authority": _bad("chain", root(extensions=((usage("key_cert_sign", "crl_sign"), True),))),
    "root-may-not-sign-certificates": _bad("chain", root(extensions=authority("crl_sign", path_length=None))),
    "root-may-not-sign-lists": _bad("chain", root(extensions=authority("key_cert_sign", path_length=None))),
    "root-path-length-0": _bad("chain", root(extensions=authority("key_cert_sign", "crl_sign", path_length=0))),
    "root-critical-extension": _bad(
        "certificates", root(extensions=(*authority("key_cert_sign", "crl_sign", path_length=None), _CRITICAL))
    ),
}

_INTERMEDIATES: Final = {
    "ask-of-one-line-under-the-root-of-another": _bad("chain", _other_line),
    "ask-signed-by-somebody-else": _bad("chain", _foreign_key),
    "ask-names-another-issuer": _bad("chain", intermediate(issuer="ARK-Genoa")),
    "ask-signed-with-pkcs1": _bad("chain", intermediate(scheme=Scheme(salt=None))),
    "ask-signed-with-sha256": _bad("chain", intermediate(scheme=Scheme(algorithm=hashes.SHA256))),
    "ask-signed-with-another-salt": _bad("chain", intermediate(scheme=Scheme(salt=32))),
    "ask-of-2048-bits": _bad("chain", _small_authority),
    "ask-of-an-elliptic-curve": _bad("chain", _elliptic_authority),
    "ask-no-authority": _bad("chain", intermediate(extensions=((usage("key_cert_sign"), True),))),
    "ask-explicitly-no-authority": _bad(
        "chain",
        intermediate(
            extensions=((x509.BasicConstraints(ca=False, path_length=None), True), (usage("key_cert_sign"), True))
        ),
    ),
    "ask-may-not-sign-certificates": _bad("chain", intermediate(extensions=authority("crl_sign"))),
    "ask-without-key-usage": _bad(
        "chain", intermediate(extensions=((x509.BasicConstraints(ca=True, path_length=0), True),))
    ),
    "ask-critical-extension": _bad("certificates", intermediate(extensions=(*authority("key_cert_sign"), _CRITICAL))),
    "ask-extension-that-no-library-reads": _bad(
        "certificates", intermediate(extensions=(*authority("key_cert_sign"), _UNREADABLE))
    ),
    "ask-named-for-another-line": _bad(
        "chain", lambda plan: leaf(issuer="SEV-Genoa")(intermediate(subject="SEV-Genoa")(plan))
    ),
    "asvk-for-a-vcek": _bad("chain", _asvk_for_vcek),
    "ask-for-a-vlek": _bad("chain", _ask_for_vlek, _vlek),
    "root-for-an-ask": _bad("chain", _leaf_below_root),
}

_LEAVES: Final = {
    "vcek-signed-by-somebody-else": _bad("chain", leaf(signer=authority_key("stranger"))),
    "vcek-signed-by-the-root": _bad("chain", leaf(signer=authority_key("ark"))),
    "vcek-names-another-issuer": _bad("chain", leaf(issuer="ARK-Milan")),
    "vcek-named-vlek": _bad("chain", leaf(subject="SEV-VLEK")),
    "vlek-named-vcek": _bad("chain", leaf(subject="SEV-VCEK"), _vlek),
    "vcek-an-authority": _bad(
        "chain",
        leaf(extensions=(*amd(certified(MILAN, _CHIP)), (x509.BasicConstraints(ca=True, path_length=0), True))),
    ),
    "vcek-may-sign-certificates": _bad(
        "chain", leaf(extensions=(*amd(certified(MILAN, _CHIP)), (usage("key_cert_sign"), True)))
    ),
    "vcek-critical-extension": _bad("certificates", leaf(extensions=(*amd(certified(MILAN, _CHIP)), _CRITICAL))),
    "vcek-extension-twice": _bad("certificates", _twice),
    "vcek-of-p256": _bad("report_key", leaf(key=report_key("vcek-p256", ec.SECP256R1))),
    "vcek-of-rsa": _bad("report_key", leaf(key=authority_key("stranger"))),
}

_EXTENSIONS: Final = {
    "vcek-without-structure": _bad("report_key", _vcek({oids.STRUCTURE: None})),
    "vcek-of-another-structure": _bad("report_key", _vcek({oids.STRUCTURE: integer(1)})),
    "turin-vcek-of-the-old-structure": _bad(
        "report_key", _vcek({oids.STRUCTURE: integer(0)}, TURIN, _CHIP[:8]), _turin
    ),
    "vcek-without-product": _bad("report_key", _vcek({oids.PRODUCT_NAME: None})),
    "vcek-of-another-product": _bad("report_key", _vcek({oids.PRODUCT_NAME: b"\x16\x08Genoa-B1"})),
    "vcek-product-begins-alike": _bad("report_key", _vcek({oids.PRODUCT_NAME: b"\x16\x06MilanX"})),
    "vcek-product-is-utf8": _bad("report_key", _vcek({oids.PRODUCT_NAME: b"\x0c\x05Milan"})),
    "vcek-product-length-is-off": _bad("report_key", _vcek({oids.PRODUCT_NAME: b"\x16\x06Milan"})),
    "vcek-product-is-not-ascii": _bad("report_key", _vcek({oids.PRODUCT_NAME: b"\x16\x07Milan-\xff"})),
    "vcek-without-bootloader": _bad("report_key", _vcek({_spl(1): None})),
    "vcek-without-tee": _bad("report_key", _vcek({_spl(2): None})),
    "vcek-without-snp": _bad("report_key", _vcek({_spl(3): None})),
    "vcek-without-microcode": _bad("report_key", _vcek({_spl(8): None})),
    "turin-vcek-without-fmc": _bad("report_key", _vcek({_spl(9): None}, TURIN, _CHIP[:8]), _turin),
    "vcek-reserved-version": _bad("report_key", _vcek({_spl(5): integer(1)})),
    "milan-vcek-with-fmc": _bad("report_key", _vcek({_spl(9): integer(1)})),
    "vcek-version-is-long": _bad("report_key", _vcek({_spl(3): b"\x02\x02\x00\x18"})),
    "vcek-version-is-negative": _bad("report_key", _vcek({_spl(8): b"\x02\x01\xdb"})),
    "vcek-version-is-256": _bad("report_key", _vcek({_spl(8): b"\x02\x02\x01\x00"})),
    "vcek-version-is-empty": _bad("report_key", _vcek({_spl(8): b""})),
    "vcek-version-is-an-octet-string": _bad("report_key", _vcek({_spl(8): b"\x04\x01\x18"})),
    "vcek-hwid-of-8-bytes": _bad("report_key", _vcek({oids.HWID: _CHIP[:8]})),
    "turin-vcek-hwid-of-64-bytes": _bad("report_key", _vcek({oids.HWID: _CHIP}, TURIN), _turin),
    "vcek-hwid-in-an-integer": _bad("report_key", _vcek({oids.HWID: b"\x02\x40" + _CHIP})),
    "vcek-hwid-length-is-off": _bad("report_key", _vcek({oids.HWID: b"\x04\x3f" + _CHIP})),
    "vcek-without-hwid": _bad("report_key", _vcek({oids.HWID: None})),
    "vcek-with-csp-id": _bad("report_key", _vcek({oids.CSP_ID: b"\x16\x04CN=x"})),
    "vlek-without-csp-id": _bad("report_key", _vcek({oids.CSP_ID: None}, chip=None), _vlek),
    "vlek-with-hwid": _bad("report_key", _vcek({oids.HWID: _CHIP}, chip=None), _vlek),
}

_TIMES: Final = {
    "root-expired": _bad("validity", lambda plan: root(end=plan.at - _SECOND)(plan)),
    "root-not-yet": _bad("validity", lambda plan: root(start=plan.at + _SECOND)(plan)),
    "ask-expired": _bad("validity", lambda plan: intermediate(end=plan.at - _SECOND)(plan)),
    "ask-not-yet": _bad("validity", lambda plan: intermediate(start=plan.at + _SECOND)(plan)),
    "vcek-expired": _bad("validity", lambda plan: leaf(end=plan.at - _SECOND)(plan)),
    "vcek-not-yet": _bad("validity", lambda plan: leaf(start=plan.at + _SECOND)(plan)),
    "long-before-everything": _bad("validity", lambda plan: replace(plan, at=START - _SECOND)),
    "long-after-everything": _bad("validity", lambda plan: replace(plan, at=END + _SECOND)),
}

WRONG_CHAINS: Final[Mapping[str, Wrong]] = {
    **_TABLES,
    **_ROOTS,
    **_INTERMEDIATES,
    **_LEAVES,
    **_EXTENSIONS,
    **_TIMES,
}
