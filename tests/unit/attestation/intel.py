"""The made-up Intel in the place of the real one, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.intel import chain
from casemate.attestation.verify import Roots, verify
from casemate.claims import VerifiedClaims
from casemate.testing.intel.plan import Plan
from casemate.wire.evidence import Endorsements, Evidence

__all__ = ["judge", "trusting"]


@contextmanager
def trusting(root: bytes) -> Iterator[None]:
    """DER of a root that counts as the shipped one."""
    with patch.object(chain, "shipped_root", lambda: Certificate.parse(root, "root")):
        yield


def judge(plan: Plan, *, evidence: Evidence | None = None, endorsements: Endorsements | None = None) -> VerifiedClaims:
    """What is planned, or other bytes in its place."""
    with trusting(plan.root):
        return verify(
            evidence or plan.evidence(),
            endorsements or plan.endorsements(),
            roots=Roots(intel=True),
            at=plan.at,
            expected=plan.expected(),
        )
