"""What a caller hands to a verifier besides the evidence: which roots it trusts, what the report must hold."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from casemate.errors import EvidenceRejectedError
from casemate.wire.custodian import CustodianGenesis

__all__ = ["SHIPPED_ROOTS", "Expected", "Roots", "Unasked", "check_expected", "hexadecimal", "is_expected", "roots_of"]


@dataclass(frozen=True, slots=True)
class Roots:
    """`amd`, `intel`, `aws`, `google`: the roots that ship with Casemate; Google's endorse the TPMs of its machines.
    `simulated` and `simulated_containers`: `sha256:…` of made-up ARK certificates (DER) that this caller pinned, for
    the platform of the same name. A root that is nowhere verifies nothing.
    """

    amd: bool = False
    intel: bool = False
    aws: bool = False
    google: bool = False
    simulated: frozenset[str] = frozenset()
    simulated_containers: frozenset[str] = frozenset()


SHIPPED_ROOTS: Final = Roots(amd=True, intel=True, aws=True, google=True)


class Unasked(Enum):
    """Instead of bytes: they are not compared. For evidence in archives, whose challenge nobody knows any more; nothing
    that releases a secret or pins an identity may say so.
    """

    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class Expected:
    """`report_data` 64 bytes, `manifest` 32: the launch manifest's digest. `floors`: the lowest numbers of what
    endorses evidence that are still believed, by the names of `VerifiedClaims.seen` and `chosen`. `max_vmpl`: the least
    privileged level of the guest whose reports are believed; the shield runs at 0, and what runs below it may ask for
    reports too.

    `excused` names what evidence may lack (`casemate.platforms`) because the caller judges it afterwards, by
    `VerifiedClaims.lacks`: a policy with a waiver, or a person with an archive. What is there is judged all the same,
    and a list of which `floors` have a number is not excused.
    """

    report_data: bytes | Unasked
    manifest: bytes | Unasked
    floors: Mapping[str, int] = field(default_factory=dict)
    max_vmpl: int = 0
    excused: frozenset[str] = frozenset()


def check_expected(
    expected: Expected,
    *,
    manifest: bytes,
    report_data: bytes,
    bound: Callable[[bytes], bytes] = bytes,
    said: Callable[[bytes], bytes] = bytes,
    step: str = "evidence.manifest",
) -> None:
    """That evidence is for the expected manifest, at `step`, and report data, at `evidence.report_data`. `manifest` and
    `report_data` are what it holds, in its platform's form; `bound` and `said` bring the expected ones into that form.

    Errors: EvidenceRejectedError.
    """
    wanted = _formed(expected.manifest, bound)
    if not is_expected(wanted, manifest):
        raise EvidenceRejectedError(
            "started for another manifest", step=step, expected=hexadecimal(wanted), got=manifest.hex()
        )
    asked = _formed(expected.report_data, said)
    if not is_expected(asked, report_data):
        raise EvidenceRejectedError(
            "made for another purpose, custodian, nonce or key",
            step="evidence.report_data",
            expected=hexadecimal(asked),
            got=report_data.hex(),
        )


def is_expected(wanted: bytes | Unasked, got: bytes) -> bool:
    """In constant time."""
    return isinstance(wanted, Unasked) or hmac.compare_digest(wanted, got)


def hexadecimal(wanted: bytes | Unasked) -> str:
    """For people."""
    return "anything" if isinstance(wanted, Unasked) else wanted.hex()


def roots_of(genesis: CustodianGenesis) -> Roots:
    """What a custodian trusts: its genesis, which callers pin, says whether simulated evidence is ever believed."""
    return replace(
        SHIPPED_ROOTS,
        simulated=_pinned(genesis.simulation_root),
        simulated_containers=_pinned(genesis.container_simulation_root),
    )


def _formed(wanted: bytes | Unasked, form: Callable[[bytes], bytes]) -> bytes | Unasked:
    return wanted if isinstance(wanted, Unasked) else form(wanted)


def _pinned(root: str | None) -> frozenset[str]:
    return frozenset({root} if root else ())
