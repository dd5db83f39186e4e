"""Intel's verdict on the TCB that a quote was made under.

Source: Intel Provisioning Certification Service, API version 4, "Get TCB Info" (how to pick a level, with the TDX
module's) and "Get Quoting Enclave identity". Statuses of machine, TDX module and quoting enclave are merged as Intel's
quote verification library does: what any of them needs is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from casemate.attestation.platforms.intel.documents import EnclaveIdentity, Level, MachineLevel, TcbInfo, VersionLevel
from casemate.attestation.platforms.intel.machine import Machine
from casemate.attestation.platforms.intel.reports import EnclaveReport, TdReport
from casemate.errors import EvidenceRejectedError

__all__ = ["STATUSES", "Verdict", "judged", "together"]

STATUSES: Final = {
    "UpToDate": "up-to-date",
    "SWHardeningNeeded": "sw-hardening-needed",
    "ConfigurationNeeded": "configuration-needed",
    "ConfigurationAndSWHardeningNeeded": "configuration-and-sw-hardening-needed",
    "OutOfDate": "out-of-date",
    "OutOfDateConfigurationNeeded": "out-of-date-configuration-needed",
}
"""Intel's words, and ours (`casemate.platforms`). `Revoked` is none of them: nobody may excuse it."""

_DATE, _CONFIGURATION, _HARDENING = "date", "configuration", "hardening"
_NEEDS: Final = {
    "up-to-date": frozenset[str](),
    "sw-hardening-needed": frozenset({_HARDENING}),
    "configuration-needed": frozenset({_CONFIGURATION}),
    "configuration-and-sw-hardening-needed": frozenset({_CONFIGURATION, _HARDENING}),
    "out-of-date": frozenset({_DATE}),
    "out-of-date-configuration-needed": frozenset({_DATE, _CONFIGURATION}),
}
_BY_NEEDS: Final = {needs: status for status, needs in _NEEDS.items()}


@dataclass(frozen=True)
class Verdict:
    """`status` in our words, of all parts together; `parts` of each. `advisories` are sorted."""

    status: str
    advisories: tuple[str, ...]
    parts: dict[str, str]
    date: str

    def details(self) -> dict[str, object]:
        parts = {f"tcb_of_{what.replace(' ', '_').lower()}": status for what, status in self.parts.items()}
        return {"tcb_date": self.date, **parts}


def judged(
    machine: Machine, body: EnclaveReport | TdReport, qe: EnclaveReport, info: TcbInfo, identity: EnclaveIdentity
) -> Verdict:
    """Errors: EvidenceRejectedError, where Intel knows no such TCB, or revoked it."""
    td = body if isinstance(body, TdReport) else None
    levels: dict[str, Level] = {
        "machine": _machine_level(machine, td, info),
        "quoting enclave": _enclave_level(qe, identity),
    }
    if td is not None and (module := _module_level(td, info)) is not None:
        levels["TDX module"] = module
    parts = {what: _status(level, what) for what, level in levels.items()}
    advisories = {advisory for level in levels.values() for advisory in level.advisories}
    return Verdict(_merged(parts.values()), tuple(sorted(advisories)), parts, f"{levels['machine'].tcb_date:%Y-%m-%d}")


def together(launch: Verdict, now: Verdict) -> Verdict:
    """What was launched under an old TCB is not mended by a newer one that runs now, nor the other way round."""
    advisories = {*launch.advisories, *now.advisories}
    parts = {what: _merged((launch.parts[what], now.parts.get(what, status))) for what, status in launch.parts.items()}
    return Verdict(_merged((launch.status, now.status)), tuple(sorted(advisories)), parts, min(launch.date, now.date))


def _machine_level(machine: Machine, td: TdReport | None, info: TcbInfo) -> MachineLevel:
    for level in info.tcb_levels:
        tcb = level.tcb
        sgx = _at_least(machine.components, [one.svn for one in tcb.sgx]) and machine.pce_svn >= tcb.pce
        if sgx and (td is None or (tcb.tdx is not None and _tdx_at_least(td, [one.svn for one in tcb.tdx]))):
            return level
    raise _rejected("Intel knows no TCB level that this machine reaches", "evidence.tcb")


def _tdx_at_least(td: TdReport, least: Sequence[int]) -> bool:
    """The module's own versions, the first two, are judged by its identity, where its major version has a number."""
    first = 0 if td.tee_tcb_svn[1] == 0 else 2
    return _at_least(td.tee_tcb_svn[first:], least[first:])


def _module_level(td: TdReport, info: TcbInfo) -> VersionLevel | None:
    """Of the TDX module that launched the domain; None of one whose versions are part of the machine's level."""
    minor, major = td.tee_tcb_svn[:2]
    name = f"TDX_{major:02X}"
    identity = next((one for one in info.tdx_module_identities if one.id == name), None)
    module = info.tdx_module if major == 0 else identity
    if module is None:
        raise _rejected("Intel knows no such TDX module", "evidence.module", got=name)
    if td.mr_signer_seam != module.mrsigner:
        raise _rejected(
            "a TDX module of somebody else", "evidence.module", module.mrsigner.hex(), td.mr_signer_seam.hex()
        )
    if _masked(td.seam_attributes, module.attributes_mask) != module.attributes:
        raise _rejected(
            "a TDX module that is not for production",
            "evidence.module",
            module.attributes.hex(),
            td.seam_attributes.hex(),
        )
    if major == 0 or identity is None:
        return None
    return _isv_level(minor, identity.tcb_levels, "evidence.module", f"TDX module {name}")


def _enclave_level(qe: EnclaveReport, identity: EnclaveIdentity) -> VersionLevel:
    # Whatever its identity asks for: a key that the host can read vouches for nothing.
    if qe.in_debug_mode:
        raise _rejected("the quoting enclave was built with debug", "evidence.qe_identity", "off", "on")
    compared = (
        ("MRSIGNER", identity.mrsigner, qe.mr_signer),
        ("ISVPRODID", identity.isvprodid.to_bytes(2, "big"), qe.isv_product.to_bytes(2, "big")),
        # Intel writes MISCSELECT as a number, the other masks as bytes.
        ("MISCSELECT", identity.miscselect, _masked(qe.misc_select[::-1], identity.miscselect_mask)),
        ("ATTRIBUTES", identity.attributes, _masked(qe.attributes, identity.attributes_mask)),
    )
    for name, wanted, got in compared:
        if wanted != got:
            raise _rejected(
                f"the quoting enclave is not Intel's: {name}", "evidence.qe_identity", wanted.hex(), got.hex()
            )
    return _isv_level(qe.isv_svn, identity.tcb_levels, "evidence.qe_identity", "quoting enclave")


def _isv_level(version: int, levels: Sequence[VersionLevel], step: str, what: str) -> VersionLevel:
    for level in levels:
        if version >= level.tcb.isv:
            return level
    raise _rejected(f"Intel knows no level that this {what} reaches", step, got=str(version))


def _status(level: Level, what: str) -> str:
    status = STATUSES.get(level.tcb_status)
    if status is None:
        raise _rejected(
            f"Intel says of the TCB ({what}): {level.tcb_status}",
            "evidence.tcb_revoked",
            "a TCB that may be excused",
            level.tcb_status,
            remedy="use another machine, or update its firmware; no policy can excuse this",
        )
    return status


def _merged(statuses: Iterable[str]) -> str:
    needs = frozenset[str]().union(*(_NEEDS[status] for status in statuses))
    # What is out of date has no word for hardening besides.
    return _BY_NEEDS[needs - {_HARDENING} if _DATE in needs else needs]


def _at_least(versions: Sequence[int], least: Sequence[int]) -> bool:
    return all(map(int.__ge__, versions, least))


def _masked(value: bytes, mask: bytes) -> bytes:
    return bytes(one & other for one, other in zip(value, mask, strict=True))


def _rejected(
    message: str, step: str, expected: str | None = None, got: str | None = None, remedy: str | None = None
) -> EvidenceRejectedError:
    return EvidenceRejectedError(message, step=step, expected=expected, got=got, remedy=remedy)
