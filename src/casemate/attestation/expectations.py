"""What a caller hands to a verifier besides the evidence: which roots it trusts, what the report must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Expected", "Roots"]


@dataclass(frozen=True, slots=True)
class Roots:
    """`amd`: the roots that ship with Casemate. `simulated`: `sha256:…` of made-up ARK certificates (DER) that this
    caller pinned. A root that is in neither verifies nothing.
    """

    amd: bool
    simulated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Expected:
    """`report_data` 64 bytes, `host_data` 32. `crl_floors`: `sha256:…` of a root → lowest number of its revocation list
    that is still believed. `max_vmpl`: the least privileged level of the guest whose reports are believed; the shield
    runs at 0, and what runs below it may ask for reports too.

    `insecure_without_crl` is a reason to go without revocation lists: for evidence in archives. Nothing in the product
    gives one.
    """

    report_data: bytes
    host_data: bytes
    crl_floors: Mapping[str, int] = field(default_factory=dict)
    max_vmpl: int = 0
    insecure_without_crl: str | None = None
