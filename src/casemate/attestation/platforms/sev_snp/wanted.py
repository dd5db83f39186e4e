"""What AMD's key distribution service publishes for a report (specification 57230, "VCEK Certificate and KDS
Interface", chapter 4): the chain of the product line, its revocation list, and the VCEK of this chip at this TCB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from casemate.attestation.certificates import Certificate, pem_blocks
from casemate.attestation.platforms.sev_snp.chain import shipped_roots
from casemate.attestation.platforms.sev_snp.products import GENOA, MILAN, PRODUCTS, TURIN, Product
from casemate.attestation.platforms.sev_snp.report import Report
from casemate.attestation.platforms.sev_snp.table import (
    ARK,
    ASK,
    LEAVES,
    build_certificate_table,
    parse_certificate_table,
)
from casemate.attestation.wanted import Wanted
from casemate.errors import EndorsementError
from casemate.wire.evidence import Endorsements

__all__ = ["LINES", "joined", "of_line", "wanted"]

_PARAMETERS: Final = {"fmc": "fmcSPL", "bootloader": "blSPL", "tee": "teeSPL", "snp": "snpSPL", "microcode": "ucodeSPL"}
_MODELS: Final = ((MILAN, 0x00, 0x0F), (GENOA, 0x10, 0x1F), (GENOA, 0xA0, 0xAF))
"""Of family 19h; Bergamo and Siena are certified as Genoa (specification 56860, "CPUID_FAM_ID")."""

_READ: Final = frozenset({ARK, ASK, *LEAVES.values()})

LINES: Final = {product.name.lower(): product for product in PRODUCTS.values()}


def wanted(data: bytes, came: Endorsements) -> tuple[Wanted, ...]:
    """Nothing where a root came that is not AMD's. Errors: EvidenceError.

    A report of version 2 does not say its product line: without certificates it counts as Milan's.
    """
    report = Report.parse(data)
    table = parse_certificate_table(came.certificates) if came.certificates else {}
    if ARK in table and not _is_shipped(Certificate.parse(table[ARK], "ARK")):
        return ()
    product = _certified(table) or _product(report)
    line = of_line(product, vlek=report.signed_with_vlek)
    return line if report.signed_with_vlek else (*line, _vcek(report, product))


def of_line(product: Product, *, vlek: bool = False) -> tuple[Wanted, ...]:
    """What every chip of a product line shares."""
    folder, kind = f"amd/{product.name.lower()}", "vlek" if vlek else "vcek"
    return (
        Wanted(f"{folder}/{kind}-chain.pem", "amd", f"/{kind}/v1/{product.name}/cert_chain"),
        Wanted(f"{folder}/crl.der", "amd", f"/{kind}/v1/{product.name}/crl"),
    )


def joined(came: bytes, cached: Sequence[bytes]) -> bytes:
    """A table: what came of it that a verifier reads, and of the cache what that has no entry for. What came is not a
    table: as it is.

    Other entries are left behind: a few KB of them may all name the same bytes, and would become many MB here.
    """
    try:
        entries = parse_certificate_table(came) if came else {}
        table = {place: data for place, data in entries.items() if place in _READ}
        for data in cached:
            for part in pem_blocks(data, b"CERTIFICATE") or [data]:
                found = Certificate.parse(part, "certificate")
                if (place := _place(found)) is not None:
                    table.setdefault(place, found.der)
    except EndorsementError:
        return came
    return build_certificate_table(table)


def _place(certificate: Certificate) -> UUID | None:
    if certificate.common_name in LEAVES:
        return LEAVES[certificate.common_name]
    return ASK if certificate.common_name.startswith("SEV-") else None  # roots are part of the package


def _is_shipped(root: Certificate) -> bool:
    return root.der in {shipped.der for shipped in shipped_roots().values()}


def _certified(table: Mapping[UUID, bytes]) -> Product | None:
    """As the name of the intermediate certificate says."""
    name = Certificate.parse(table[ASK], "ASK").common_name if ASK in table else ""
    return LINES.get(name.removeprefix("SEV-").removeprefix("VLEK-").lower())


def _product(report: Report) -> Product:
    if report.cpuid is None:
        return MILAN
    family, model, _ = report.cpuid
    if family == TURIN.family:
        return TURIN
    return next((product for product, first, last in _MODELS if first <= model <= last), GENOA)


def _vcek(report: Report, product: Product) -> Wanted:
    chip = report.chip_id[: product.chip_id_bytes].hex()
    if not any(report.chip_id):
        raise EndorsementError(
            "the report hides its chip, so no VCEK of it can be asked for",
            step="evidence.chip",
            remedy="switch MASK_CHIP_ID off in the host's firmware, or bring the certificate along",
        )
    versions = product.unpack(report.reported_tcb)
    asked = "&".join(f"{_PARAMETERS[name]}={version:02d}" for name, version in versions.items())
    tcb = "-".join(f"{version:02x}" for version in versions.values())
    name = f"amd/{product.name.lower()}/vcek/{chip}/{tcb}.der"
    return Wanted(name, "amd", f"/vcek/v1/{product.name}/{chip}?{asked}")
