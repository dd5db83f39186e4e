"""Reports, certificates and revocation lists as they lie in files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from casemate.attestation.certificates import Certificate, pem_blocks
from casemate.attestation.platforms.sev_snp.report import REPORT_BYTES, Report
from casemate.attestation.platforms.sev_snp.table import (
    ARK,
    ASK,
    LEAVES,
    VCEK,
    VLEK,
    build_certificate_table,
    parse_certificate_table,
)
from casemate.attestation.revocation import list_in
from casemate.errors import EndorsementError
from casemate.wire.evidence import Endorsements

__all__ = ["endorsements", "fields", "recognises"]

_NEWEST: Final = 16
"""A number of a version that is not too far from those that there are: anything else is no report."""


def recognises(data: bytes) -> bool:
    return len(data) == REPORT_BYTES and 0 < int.from_bytes(data[:4], "little") < _NEWEST


def fields(data: bytes) -> dict[str, Any]:
    """Errors: EvidenceError."""
    report = Report.parse(data)
    return {
        "version": report.version,
        "guest_svn": report.guest_svn,
        "policy": hex(report.policy.raw),
        "policy_debug": report.policy.debug,
        "policy_migration_agent": report.policy.migration_agent,
        "policy_smt": report.policy.smt,
        "family_id": report.family_id.hex(),
        "image_id": report.image_id.hex(),
        "vmpl": report.vmpl,
        "platform_info": hex(report.platform_info),
        "signed_by": "VLEK" if report.signed_with_vlek else "VCEK",
        "flags": hex(report.flags),
        "report_data": report.report_data.hex(),
        "measurement": report.measurement.hex(),
        "host_data": report.host_data.hex(),
        "id_key_digest": report.id_key_digest.hex(),
        "author_key_digest": report.author_key_digest.hex(),
        "report_id": report.report_id.hex(),
        "report_id_ma": report.report_id_ma.hex(),
        "cpuid": None if report.cpuid is None else "family {:#x}, model {:#x}, stepping {:#x}".format(*report.cpuid),
        "chip_id": report.chip_id.hex(),
        **{f"{name}_tcb": version.hex() for name, version in report.tcb_versions().items()},
        "current_version": ".".join(map(str, reversed(report.current_version))),
        "committed_version": ".".join(map(str, reversed(report.committed_version))),
        "launch_mitigations": hex(report.launch_mitigations),
        "current_mitigations": hex(report.current_mitigations),
        "signature_r": f"{report.signature[0]:096x}",
        "signature_s": f"{report.signature[1]:096x}",
    }


def endorsements(data: bytes, files: Sequence[bytes]) -> Endorsements:
    """What goes with a report, of certificates and lists in PEM or DER and certificate tables, in any order.

    Errors: EvidenceError.
    """
    certificates: list[Certificate] = []
    lists: list[bytes] = []
    for part in (part for file in files for part in _parts(file)):
        if (found := list_in(part)) is not None:
            lists.append(found)
        else:
            certificates.append(Certificate.parse(part, "certificate"))
    chain = _chain(certificates, VLEK if Report.parse(data).signed_with_vlek else VCEK)
    return Endorsements(certificates=build_certificate_table(chain), crls=lists)


def _parts(file: bytes) -> list[bytes]:
    """Single certificates and lists."""
    if pem := pem_blocks(file, b"CERTIFICATE", b"X509 CRL"):
        return pem
    if not file.startswith(b"\x30"):
        table = parse_certificate_table(file)
        return [table[place] for place in (ARK, ASK, VCEK, VLEK) if place in table]
    return [file]


def _chain(certificates: Sequence[Certificate], wanted: UUID) -> dict[UUID, bytes]:
    """The key's certificate and those that lead to it, by their names; whether they do is the verifier's to say."""
    leaves = {one.der: one for one in certificates if LEAVES.get(one.common_name) == wanted}
    if len(leaves) != 1:
        name = "VLEK" if wanted == VLEK else "VCEK"
        raise EndorsementError(
            f"{len(leaves)} certificates of a {name}, and the report needs one",
            step="evidence.certificates",
            remedy="name the certificate of the very chip (or provider) that made the report",
        )
    (leaf,) = leaves.values()
    chain, last = {wanted: leaf.der}, leaf
    for place in (ASK, ARK):
        above = next((one for one in certificates if one.subject == last.issuer), None)
        if above is None:
            break  # roots are part of the package
        chain[place], last = above.der, above
    return chain
