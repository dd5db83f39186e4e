"""Real quotes of Intel's machines, with what endorses them fetched from a service that publishes it as Intel's does."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from casemate.attestation.catalogue import FORMATS
from casemate.attestation.expectations import SHIPPED_ROOTS, Expected, Unasked
from casemate.attestation.reading import evidence_in
from casemate.attestation.verify import verify
from casemate.attestation.wanted import Wanted
from casemate.endorsements.cache import Cache
from casemate.endorsements.fetching import Fetcher, Pace
from casemate.testing.vendors import Answer, service, with_chain
from casemate.wire.evidence import NO_ENDORSEMENTS

FOLDER: Final = Path(os.environ.get("CASEMATE_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the vectors of real evidence are not here")

QUOTES: Final = {
    "tdx/dcap-qvl/tdx_quote": datetime(2025, 7, 19, 10, tzinfo=UTC),
    "sgx/dcap-qvl/sgx_quote": datetime(2025, 7, 1, tzinfo=UTC),
}


def publishes(wanted: tuple[Wanted, ...], collateral: dict[str, Any]) -> dict[str, Answer]:
    """As Intel's service answers, of a collateral file."""
    answers: dict[str, Answer] = {}
    for one in wanted:
        if "tcb?" in one.path or "identity" in one.path:
            name, field = ("tcb_info", "tcbInfo") if "tcb?" in one.path else ("qe_identity", "enclaveIdentity")
            body = f'{{"{field}":{collateral[name]},"signature":"{collateral[f"{name}_signature"]}"}}'.encode()
            assert one.chain is not None
            answers[one.path] = with_chain(body, one.chain[0], collateral[f"{name}_issuer_chain"].encode())
        elif one.chain is None:
            answers[one.path] = Answer(bytes.fromhex(collateral["root_ca_crl"]))
        else:
            chain = collateral["pck_crl_issuer_chain"].encode()
            answers[one.path] = with_chain(bytes.fromhex(collateral["pck_crl"]), one.chain[0], chain)
    return answers


@pytest.mark.parametrize("name", QUOTES)
def test_what_is_fetched_endorses_a_real_quote(tmp_path: Path, name: str) -> None:
    at = QUOTES[name]
    evidence = evidence_in((FOLDER / name).read_bytes())
    wanted = FORMATS[evidence.format].wanted(evidence.report, NO_ENDORSEMENTS)
    cache = Cache(tmp_path)
    collateral = json.loads((FOLDER / f"{name}_collateral.json").read_text())
    with service(publishes(wanted, collateral)) as intel:
        services: dict[Any, str] = dict.fromkeys(("amd", "intel", "intel-root"), intel.url)
        fetched = dict(Fetcher(cache, services=services, pace=Pace(apart={})).fetch(wanted, now=at))
    # The documents' signers come with both of them, the authority's certificates with its list.
    assert len(fetched) == len(wanted) + 2
    claims = verify(
        evidence,
        cache.completed(evidence, NO_ENDORSEMENTS),
        roots=SHIPPED_ROOTS,
        at=at,
        expected=Expected(report_data=Unasked.UNASKED, manifest=Unasked.UNASKED),
    )
    assert claims.tcb_status is not None
    assert {one.name for one in wanted} <= claims.ends.keys()
    for one in wanted:
        facts = cache.facts(one.name)
        assert facts is not None
        assert facts.end == claims.ends[one.name]
