"""What whoever verifies has of endorsements counts beside what a certificate carries, by evidence and by policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from casemate.attestation.expectations import Roots
from casemate.attestation.ra_tls import Completing, WantedPeer, as_it_came
from casemate.client.ra_tls import Peer, PeerRefusedError, _verify, attested_context
from casemate.client.workloads import PolicyPeer
from casemate.endorsements.cache import Cache
from casemate.policy.model import parse_document
from casemate.secrets.catalogue import SCHEMAS
from casemate.testing.amd.peers import MADE_FOR, over_a_report, revoking
from casemate.testing.amd.plan import AT
from tests.unit.attestation.amd import trusting

CUSTODIAN = "sha256:" + "c" * 64
RUNTIME = "sha384:" + (b"m" * 48).hex()

LIST = "amd/milan/crl.der"


def by_evidence(completed: Completing) -> Peer:
    wanted = WantedPeer(CUSTODIAN, frozenset({RUNTIME}), frozenset({MADE_FOR}))
    return Peer(wanted, Roots(amd=True), completed=completed, now=lambda: AT)


def by_policy(completed: Completing) -> PolicyPeer:
    document = {
        "casemate": 1,
        "policy": "acme/records",
        "genesis": CUSTODIAN,
        "principals": {"alice": {"key": "ed25519:" + "A" * 43}},
        "access": {"read": {"any": ["alice"]}, "update": {"any": ["alice"]}},
        "services": {
            "api": {
                "workload": {"manifest": MADE_FOR},
                "runtime": {"measurement": RUNTIME},
                "platforms": ["sev-snp"],
            }
        },
    }
    policy = parse_document(document, SCHEMAS)
    return PolicyPeer(policy, "api", CUSTODIAN, Roots(amd=True), completed=completed, now=lambda: AT)


judged = pytest.mark.parametrize("judge", [by_evidence, by_policy])


def refusal(peer: Any, certificate: bytes) -> str | None:
    with pytest.raises(PeerRefusedError) as refused:
        _verify(attested_context(peer), certificate)
    return refused.value.error.step


@judged
def test_a_certificate_without_lists_is_completed_by_a_cache(judge: Any, tmp_path: Path) -> None:
    certificate, given = over_a_report(CUSTODIAN, lists=False)
    cache = Cache(tmp_path)
    with trusting(given):
        for completed in (as_it_came, cache.completed):
            refused = refusal(judge(completed), certificate)
            assert refused in ("evidence.crl", "endorsements.complete")
        cache.put(LIST, given.endorsements.crls[0])
        _verify(attested_context(judge(cache.completed)), certificate)


@judged
def test_a_newer_list_in_a_cache_revokes_whoever_brings_the_older_one(judge: Any, tmp_path: Path) -> None:
    certificate, given = over_a_report(CUSTODIAN, lists=True)
    cache = Cache(tmp_path)
    with trusting(given):
        _verify(attested_context(judge(cache.completed)), certificate)
        cache.put(LIST, revoking())
        assert refusal(judge(cache.completed), certificate) == "evidence.revoked"
        # Of two the newer one, whichever way it came.
        cache = Cache(tmp_path / "older")
        cache.put(LIST, given.endorsements.crls[0])
        _verify(attested_context(judge(cache.completed)), certificate)


@judged
def test_a_cache_makes_nothing_genuine(judge: Any, tmp_path: Path) -> None:
    certificate, given = over_a_report(CUSTODIAN, lists=False)
    cache = Cache(tmp_path)
    cache.put(LIST, given.endorsements.crls[0])
    with trusting(given):
        wrong = replace(judge(cache.completed), roots=Roots())
        assert refusal(wrong, certificate) == "evidence.root"
