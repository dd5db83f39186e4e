"""Result tokens: believed where a pinned custodian signed them for now and for this, refused with the step else."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.client.results import VerifiedResult, WantedResult, verify_result
from casemate.errors import CasemateError, EvidenceRejectedError, NotGenuineError
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import b64u_decode, parse_time
from casemate.wire.results import MAX_TOKEN_BYTES

FILE: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "spec" / "vectors" / "results" / "tokens.json").read_text()
)
GENESIS: Final = CustodianGenesis.model_validate_json(FILE["genesis"])
GOOD: Final = {case["name"]: case for case in FILE["good"]}
HOSTILE: Final = {case["name"]: case for case in FILE["hostile"]}
ANYTHING: Final = WantedResult()
NOW: Final = parse_time(GOOD["affirmed"]["at"])


def verified(token: str, wanted: WantedResult = ANYTHING, at: datetime = NOW) -> VerifiedResult:
    return verify_result(token, GENESIS, at=at, wanted=wanted)


@pytest.mark.parametrize("name", GOOD)
def test_a_token_of_the_pinned_custodian_is_believed(name: str) -> None:
    case = GOOD[name]
    wanted = WantedResult(nonce=b64u_decode(FILE["nonce"]), service="acme/records#api")
    found = verified(case["token"] + "\n", wanted, parse_time(case["at"]))
    assert (found.key, found.workload.ear_status) == (FILE["key"], case["status"])
    assert found.workload.ear_verifier_claims.warnings == case["warnings"]


@pytest.mark.parametrize("name", HOSTILE)
def test_every_other_token_is_refused_with_the_step(name: str) -> None:
    case = HOSTILE[name]
    with pytest.raises((NotGenuineError, EvidenceRejectedError)) as refused:
        verified(case["token"], at=parse_time(case["at"]))
    assert refused.value.step == case["step"]
    # What the custodian never said is not merely late.
    assert isinstance(refused.value, EvidenceRejectedError) == (case["step"] == "result.time")


def test_a_token_without_end_is_refused() -> None:
    with pytest.raises(NotGenuineError, match="too large"):
        verified("x" * (MAX_TOKEN_BYTES + 1))


@given(st.text())
def test_any_text_is_refused_with_an_error_of_ours(text: str) -> None:
    with pytest.raises(CasemateError):
        verified(text)


def test_every_bit_of_a_token_counts() -> None:
    token = GOOD["affirmed"]["token"]
    for place, character in enumerate(token):
        changed = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        with pytest.raises(NotGenuineError):
            verified(changed)


@pytest.mark.parametrize(
    ("wanted", "step"),
    [
        (WantedResult(nonce=bytes(32)), "result.nonce"),
        (WantedResult(nonce=b""), "result.nonce"),
        (WantedResult(service="acme/records#other"), "result.service"),
        (WantedResult(affirming=True), "result.status"),
    ],
)
def test_a_result_of_something_else_is_refused(wanted: WantedResult, step: str) -> None:
    with pytest.raises(EvidenceRejectedError) as refused:
        verified(GOOD["warned of"]["token"], wanted)
    assert refused.value.step == step


def test_a_refused_warning_says_its_reason() -> None:
    with pytest.raises(EvidenceRejectedError, match="INTEL-SA-00615"):
        verified(GOOD["warned of"]["token"], WantedResult(affirming=True))
    assert verified(GOOD["affirmed"]["token"], WantedResult(affirming=True))
