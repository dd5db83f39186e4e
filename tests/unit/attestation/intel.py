"""The made-up Intel in the place of the real one, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from casemate.attestation.certificates import Certificate
from casemate.attestation.platforms.intel import chain
from casemate.attestation.platforms.tdx.verify import config_of
from casemate.attestation.verify import Roots, verify
from casemate.claims import VerifiedClaims
from casemate.custodian.keys.tls import certificate_over, public_key_of
from casemate.testing.intel.plan import AT, Plan, right
from casemate.wire.binding import Purpose, digest_bytes, report_data
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.ra_tls import RaTls, key_digest

__all__ = ["MADE_FOR", "judge", "over_a_quote", "trusting"]

MADE_FOR = "sha256:" + "a" * 64
"""The manifest of `over_a_quote`."""


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


def over_a_quote(custodian: str) -> tuple[bytes, Plan]:
    """A certificate (DER), for a day from `AT`, of a trust domain under this custodian, and what its quote is."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = public_key_of(key)
    names = {"custodian": custodian, "manifest": MADE_FOR}
    names |= {"signing_key": "ed25519:" + "A" * 43, "hpke_key": "x25519:" + "A" * 43}
    data = report_data(Purpose.RA_TLS, nonce=key_digest(public), **names)
    plan = right(tdx=True, body={"mr_config_id": config_of(digest_bytes(MADE_FOR)), "report_data": data})
    carried = RaTls(casemate_ra_tls=1, evidence=plan.evidence(), endorsements=plan.endorsements(), **names)
    made = certificate_over(key, carried, start=AT, end=AT + timedelta(hours=24))
    return made.public_bytes(Encoding.DER), plan
