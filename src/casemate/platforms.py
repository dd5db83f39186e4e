"""The platforms by name: what a policy may ask of each. A closed list, since what is not on it has no verifier here.

How evidence of each is verified lies in `casemate.attestation.platforms`; both sides speak of it in these words.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = ["LACKS", "PLATFORMS", "SIMULATED_PLATFORMS", "UP_TO_DATE", "Need", "Platform"]

UP_TO_DATE: Final = "up-to-date"
"""The status of a TCB that nobody has to excuse."""

_INTEL_STATUSES: Final = frozenset(
    {
        "sw-hardening-needed",
        "configuration-needed",
        "configuration-and-sw-hardening-needed",
        "out-of-date",
        "out-of-date-configuration-needed",
    }
)
"""Those that may be excused, in our spelling; what is revoked may not."""


@dataclass(frozen=True)
class Need:
    """What a policy has to ask for, or it says nothing, whatever else it has: all of one of `ways` (`tcb.NAME`,
    `require.NAME`). `why` and `remedy` are for whoever writes it.
    """

    ways: tuple[frozenset[str], ...]
    why: str
    remedy: str


@dataclass(frozen=True)
class Platform:
    """`algorithm` is the hash that runtime measurements are of. `tcb` are security versions that can have a least one,
    `values` what can be asked to be one of several texts. `statuses` of its TCB may be waived until a date, as may what
    evidence may lack: `lacks` says which of the values stands in for it, or None where only a waiver does. `needs` are
    what a policy has to ask for. Of `only_with`, a part means something only where another one is required: without
    that, anybody chooses it freely.
    """

    algorithm: str
    tcb: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    lacks: Mapping[str, str | None] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    only_with: Mapping[str, str] = field(default_factory=dict)

    def unmet(self, said: Set[str]) -> tuple[Need, ...]:
        """What has to be asked for, and is not, where `said` (`tcb.NAME`, `require.NAME`) is."""
        return tuple(need for need in self.needs if not any(way <= said for way in need.ways))

    def hollow(self, said: Set[str]) -> dict[str, str]:
        """What is asked for and means nothing, each with what would give it a meaning."""
        return {part: other for part, other in self.only_with.items() if part in said and other not in said}


_SEV_SNP: Final = Platform(
    "sha384",
    tcb=frozenset({"bootloader", "tee", "snp", "microcode", "fmc", "guest"}),
    values=frozenset(
        {"product", "chip_id", "csp_id", "family_id", "image_id", "id_key_digest", "author_key_digest", "guest_policy"}
        | {"smt", "tsme", "ecc", "rapl_disabled", "ciphertext_hiding", "alias_check", "tio"}
        | {"launch_mitigations", "current_mitigations"}
    ),
    lacks={"crl": None},
    only_with=dict.fromkeys(("tcb.guest", "require.family_id", "require.image_id"), "require.id_key_digest"),
)
_EVALUATION: Final = Need(
    (frozenset({"tcb.evaluation"}),),
    "Intel publishes several sets of documents at a time, and whoever sends evidence chooses the mildest",
    "write the lowest number of evaluation data that is good enough: {tcb: {evaluation: 17}}",
)
_WHOSE_TPM: Final = Need(
    tuple(
        map(frozenset, (("require.name",), *(("require.authority", f"require.{of}") for of in ("project", "instance"))))
    ),
    "anybody's TPM would do",
    'require its name: {tpm: {require: {name: ["…"], …}}}',
)
_BOOTED: Final = Need(
    (frozenset(f"require.pcr{number}" for number in (0, 4, 7, 8, 9, 12)),),
    "not all is said of what booted, so root of something else can extend the other PCRs at will",
    "require the values of a boot that you trust: casemate evidence collect",
)
"""Firmware, boot loader, the keys of Secure Boot, and what loaders measure of kernel, initrd and command line (TCG PC
Client Platform Firmware Profile, table of PCR usage; GRUB; systemd-stub).
"""
_RESET_AT_WILL: Final = frozenset({16, 23})
_INTEL_VALUES: Final = frozenset({"fmspc", "ppid", "memory", "smt"})

PLATFORMS: Final[Mapping[str, Platform]] = MappingProxyType(
    {
        "sev-snp": _SEV_SNP,
        "tdx": Platform(
            "sha384",
            tcb=frozenset({"evaluation", "module"}),
            values=_INTEL_VALUES
            | {"mrtd", "mrseam", "mrsignerseam", "attributes", "xfam"}
            | {f"rtmr{number}" for number in range(4)},
            statuses=_INTEL_STATUSES,
            needs=(_EVALUATION,),
        ),
        "sgx": Platform(
            "sha256",
            tcb=frozenset({"evaluation", "isv"}),
            values=_INTEL_VALUES | {"mrsigner", "isv_product", "isv_family", "attributes", "opinions"},
            statuses=_INTEL_STATUSES,
            needs=(_EVALUATION,),
            only_with=dict.fromkeys(("tcb.isv", "require.isv_product", "require.isv_family"), "require.mrsigner"),
        ),
        "nitro": Platform("sha384", values=frozenset({"module"} | {f"pcr{number}" for number in range(16)})),
        "tpm": Platform(
            "sha256",
            values=frozenset(
                {"key", "name", "authority", "project", "zone", "instance"}
                | {f"pcr{number}" for number in range(24) if number not in _RESET_AT_WILL}
            ),
            lacks={"authority": "name", "crl": None},
            needs=(_WHOSE_TPM, _BOOTED),
        ),
        "simulated": _SEV_SNP,
        "simulated-container": _SEV_SNP,
    }
)

LACKS: Final = frozenset(lack for platform in PLATFORMS.values() for lack in platform.lacks)
"""All that evidence of any platform may lack, for who has a policy judge that."""

SIMULATED_PLATFORMS: Final = frozenset({"simulated", "simulated-container"})
"""They protect nothing; the second cannot even say for sure what was launched (spec/evidence.md)."""
