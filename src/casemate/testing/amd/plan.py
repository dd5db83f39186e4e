"""All that one piece of evidence is made of. `right()` plans what verifies; a case changes one thing of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from casemate.attestation.expectations import Expected, Roots
from casemate.attestation.platforms.sev_snp import key_extensions as oids
from casemate.attestation.platforms.sev_snp.products import MILAN, Product
from casemate.attestation.platforms.sev_snp.report import SIGNED_BYTES, GuestPolicy, Report
from casemate.attestation.platforms.sev_snp.table import ARK, ASK, VCEK, VLEK, build_certificate_table
from casemate.testing.amd.certificates import CertificatePlan, Extensions, ListPlan, usage
from casemate.testing.amd.keys import authority_key, report_key, sign_report

__all__ = [
    "AT",
    "FLOOR",
    "HOST_DATA",
    "REPORT_DATA",
    "TCB",
    "Plan",
    "ReportPlan",
    "amd",
    "authority",
    "certified",
    "integer",
    "right",
]

AT: Final = datetime(2026, 2, 1, tzinfo=UTC)
FLOOR: Final = 7
"""The number of the right list: the lowest that is still believed."""

REPORT_DATA: Final = bytes(range(64))
HOST_DATA: Final = bytes(range(0x40, 0x60))
TCB: Final = {"fmc": 1, "bootloader": 4, "tee": 2, "snp": 24, "microcode": 219}

_MODELS: Final = {"Milan": (0x19, 0x01, 0x01), "Genoa": (0x19, 0x11, 0x01), "Turin": (0x1A, 0x02, 0x01)}
_COMPONENT: Final = 72


@dataclass(frozen=True)
class ReportPlan:
    """`fields` of `Report`; `patches` are written over the signed bytes before they are signed, `afterwards` over the
    whole report at last (offset, bytes).
    """

    fields: Mapping[str, Any]
    signer: ec.EllipticCurvePrivateKey
    patches: Sequence[tuple[int, bytes]] = ()
    afterwards: Sequence[tuple[int, bytes]] = ()

    def make(self) -> bytes:
        signed = _patched(Report(**self.fields, signature=(0, 0)).signed_bytes(), self.patches)
        r, s = (number.to_bytes(_COMPONENT, "little") for number in sign_report(self.signer, signed))
        return _patched((signed + r + s).ljust(SIGNED_BYTES + 512, b"\0"), self.afterwards)


@dataclass(frozen=True)
class Plan:
    """`entries` and `table` are the last to change the certificate table: what is in it, and its bytes."""

    product: Product
    vlek: bool
    ark: CertificatePlan
    intermediate: CertificatePlan
    leaf: CertificatePlan
    lists: Sequence[ListPlan]
    report: ReportPlan
    entries: Callable[[dict[UUID, bytes]], dict[UUID, bytes]] = field(default=lambda entries: entries)
    table: Callable[[bytes], bytes] = field(default=lambda table: table)
    encoded: Callable[[bytes], bytes] = field(default=lambda report: report)
    foreign_lists: Sequence[bytes] = ()
    pinned: bool = True
    at: datetime = AT
    max_vmpl: int = 0
    floor: int = FLOOR

    def certificates(self, ark: bytes) -> bytes:
        """`ark` as it was issued: signed anew, it would have another fingerprint."""
        made = {
            ARK: ark,
            ASK: self.intermediate.issue(),
            VLEK if self.vlek else VCEK: self.leaf.issue(),
        }
        return self.table(build_certificate_table(self.entries(made)))

    def revocation_lists(self) -> tuple[bytes, ...]:
        return (*(item.issue() for item in self.lists), *self.foreign_lists)

    def roots(self, ark: bytes) -> Roots:
        return Roots(amd=True, simulated=frozenset({_fingerprint(ark)} if self.pinned else ()))

    def expected(self, ark: bytes) -> Expected:
        return Expected(
            report_data=REPORT_DATA,
            manifest=HOST_DATA,
            floors={_fingerprint(ark): self.floor},
            max_vmpl=self.max_vmpl,
        )


def right(product: Product = MILAN, *, vlek: bool = False, version: int = 5) -> Plan:
    """Evidence that verifies."""
    root, name = f"ARK-{product.name}", f"SEV-VLEK-{product.name}" if vlek else f"SEV-{product.name}"
    ark, ask = authority_key("ark"), authority_key("asvk" if vlek else "ask")
    key = report_key("vlek" if vlek else "vcek")
    chip = bytes(range(1, product.chip_id_bytes + 1))
    leaf_name = "SEV-VLEK" if vlek else "SEV-VCEK"
    return Plan(
        product=product,
        vlek=vlek,
        ark=CertificatePlan(
            root, root, ark, ark, 0x10000, extensions=authority("key_cert_sign", "crl_sign", path_length=None)
        ),
        intermediate=CertificatePlan(
            name, root, ask, ark, 0x10101 if vlek else 0x10001, extensions=authority("key_cert_sign")
        ),
        leaf=CertificatePlan(leaf_name, name, key, ask, 5, extensions=amd(certified(product, None if vlek else chip))),
        lists=(ListPlan(root, ark),),
        report=ReportPlan(_fields(product, version, vlek, chip), key),
    )


def authority(*uses: str, path_length: int | None = 0) -> Extensions:
    return (x509.BasicConstraints(ca=True, path_length=path_length), True), (usage(*uses), True)


def amd(values: Mapping[str, bytes]) -> Extensions:
    """AMD's extensions, by OID, none of them critical."""
    return tuple(
        (x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False) for oid, value in values.items()
    )


def certified(product: Product, chip: bytes | None) -> dict[str, bytes]:
    """What is certified of a chip, or, of None, of a cloud provider."""
    name = product.name if chip is None else f"{product.name}-B1"
    used = {f"{oids.SPL}.{oids.SPL_ARCS[part]}": integer(TCB[part]) for part in product.tcb}
    reserved = {f"{oids.SPL}.{arc}": integer(0) for arc in (5, 6, 7)}
    who = {oids.CSP_ID: _text("CN=fleet.example")} if chip is None else {oids.HWID: chip}
    return {
        oids.STRUCTURE: integer(product.structure),
        oids.PRODUCT_NAME: _text(name),
        **used,
        **reserved,
        **who,
    }


def integer(value: int) -> bytes:
    """DER INTEGER, 0 to 255."""
    return bytes((2, 1, value)) if value < 128 else bytes((2, 2, 0, value))


def _text(value: str) -> bytes:
    return bytes((0x16, len(value))) + value.encode()


def _fields(product: Product, version: int, vlek: bool, chip: bytes) -> dict[str, Any]:
    """No field is zero that could be something else: a byte that nobody looks at is to be noticed."""
    tcb = product.pack(TCB)
    return {
        "version": version,
        "guest_svn": 3,
        "policy": GuestPolicy(0x3_0137),
        "family_id": b"f" * 16,
        "image_id": b"i" * 16,
        "vmpl": 0,
        "current_tcb": tcb,
        "platform_info": 0x25,
        "flags": 0b00101 if vlek else 0b00001,
        "report_data": REPORT_DATA,
        "measurement": b"m" * 48,
        "host_data": HOST_DATA,
        "id_key_digest": b"d" * 48,
        "author_key_digest": b"a" * 48,
        "report_id": b"r" * 32,
        "report_id_ma": b"\xff" * 32,
        "reported_tcb": tcb,
        "cpuid": None if version < 3 else _MODELS[product.name],
        "chip_id": chip.ljust(64, b"\0"),
        "committed_tcb": tcb,
        "current_version": bytes((58, 55, 1)),
        "committed_version": bytes((57, 55, 1)),
        "launch_tcb": tcb,
        "launch_mitigations": 0 if version < 5 else 3,
        "current_mitigations": 0 if version < 5 else 7,
    }


def _patched(data: bytes, patches: Sequence[tuple[int, bytes]]) -> bytes:
    changed = bytearray(data)
    for offset, patch in patches:
        changed[offset : offset + len(patch)] = patch
    return bytes(changed)


def _fingerprint(ark: bytes) -> str:
    return f"sha256:{hashlib.sha256(ark).hexdigest()}"
