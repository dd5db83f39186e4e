"""How much evidence one core verifies in a second, of each platform, from memory. Endorsements are known from the time
before, as they are to a custodian whose machines attest again and again.

Vendors are made up (`casemate.testing`), with their roots in the place of the real ones; sizes, signatures and rules
are those of real evidence. What is counted is time of the processor, so that others on the machine matter less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final
from unittest.mock import patch

from bench.result import Result
from casemate.attestation.certificates import Certificate
from casemate.attestation.expectations import Expected, Roots
from casemate.attestation.platforms.intel import chain as intel
from casemate.attestation.platforms.nitro import verify as nitro
from casemate.attestation.verify import verify
from casemate.claims import VerifiedClaims
from casemate.testing.amd.cases import case as amd_case
from casemate.testing.intel.cases import case as intel_case
from casemate.testing.nitro.cases import case as nitro_case
from casemate.testing.nitro.plan import MANIFEST, REPORT_DATA
from casemate.testing.tpm.cases import case as tpm_case
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["measure"]

_ROUNDS: Final = 11
_SECONDS: Final = 0.4
"""Of each platform in a round."""

Judge = Callable[[], VerifiedClaims]


def measure() -> list[Result]:
    """One platform after the other in each round, so that what else happens meets all of them."""
    rates: dict[str, list[float]] = {name: [] for name in _GOALS}
    with _made_up_roots():
        judges = _judges()
        for number in range(_ROUNDS + 1):
            for name, judge in judges.items():
                rate = _rate(judge)
                if number:  # the first one warms up
                    rates[name].append(rate)
    return [
        Result(f"verification on one core: {name}", "/s", rates[name], goal=goal, more_is_better=True)
        for name, goal in _GOALS.items()
    ]


_GOALS: Final[Mapping[str, float]] = {"SEV-SNP": 1500, "TDX": 1000, "SGX": 1000, "Nitro": 1000, "TPM": 2000}


def _judges() -> dict[str, Judge]:
    return {
        "SEV-SNP": amd_case("milan-vcek-v5").judge,
        "TDX": _intel("version-5-tdx-1.5", tdx=True),
        "SGX": _intel("version-3", tdx=False),
        "Nitro": _nitro(),
        "TPM": tpm_case("ecdsa-p256").judge,
    }


def _intel(name: str, *, tdx: bool) -> Judge:
    plan = intel_case(name, tdx=tdx).plan
    return partial(
        verify, plan.evidence(), plan.endorsements(), roots=Roots(intel=True), at=plan.at, expected=plan.expected()
    )


def _nitro() -> Judge:
    made = nitro_case("right")
    return partial(
        verify,
        Evidence(format="nitro-document", report=made.document),
        Endorsements(certificates=b"", crls=[]),
        roots=Roots(aws=True),
        at=made.at,
        expected=Expected(report_data=REPORT_DATA, manifest=MANIFEST),
    )


@contextmanager
def _made_up_roots() -> Iterator[None]:
    of_intel = Certificate.parse(intel_case("version-3", tdx=False).plan.root, "root")
    of_aws = Certificate.parse(nitro_case("right").root, "root")
    with patch.object(intel, "shipped_root", lambda: of_intel), patch.object(nitro, "shipped_root", lambda: of_aws):
        yield


def _rate(judge: Judge) -> float:
    done, begin = 0, time.process_time()
    while (passed := time.process_time() - begin) < _SECONDS:
        judge()
        done += 1
    return done / passed
