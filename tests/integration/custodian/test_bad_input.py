"""Every endpoint: whatever comes in, the answer is a signed problem document, and never a 5xx."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casemate.custodian.settings import BODY_LIMIT
from casemate.wire.evidence import MAX_CRLS
from casemate.wire.fields import b64u_encode

from .conftest import House, Story

POSTS = (
    "/v1/challenges",
    "/v1/attestations",
    "/v1/custodian/attestation",
    f"/v1/leases/{'A' * 22}/renewals",
    "/v1/policies",
    f"/v1/policies/sha256:{'0' * 64}/versions",
)

BODIES = {
    "nothing": b"",
    "no JSON": b"nonsense",
    "truncated": b'{"nonce":',
    "not UTF-8": b'{"nonce":"\xff"}',
    "UTF-16": '{"nonce":"x"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "a name twice": b'{"nonce":"a","nonce":"b"}',
    "an unknown field": b'{"colour":"red"}',
    "a float": b'{"sequence":1.0}',
    "NaN": b'{"sequence":NaN}',
    "an integer beyond 2^53": b'{"sequence":9007199254740993}',
    "a huge integer": b'{"sequence":' + b"9" * 10_000 + b"}",
    "deep nesting": b"[" * 100_000,
    "deep objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "a lone surrogate": b'{"nonce":"\\ud800"}',
    "a NUL": b'{"nonce":"\\u0000"}',
    "full-width digits": '{"sequence":"\uff11"}'.encode(),
    "comment": b"{}//",
    "two values": b"{}{}",
}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("what", BODIES)
async def test_a_body_that_is_not_of_the_documented_form_is_refused(house: House, path: str, what: str) -> None:
    answer = await house.caller(house.stranger).ask("POST", path, body=BODIES[what])
    assert (answer.status, answer.code) == (400, "request.malformed"), what
    assert set(answer.data) == {"type", "title", "status", "code", "id"}


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "multipart/form-data"},
        {"content-type": ""},
        {"content-encoding": "gzip"},
    ],
)
async def test_another_content_type_or_encoding_is_refused(house: House, path: str, headers: dict[str, str]) -> None:
    answer = await house.caller(house.stranger).ask("POST", path, {}, headers=headers)
    assert (answer.status, answer.code) == (400, "request.malformed")


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/v1/attestations"])
async def test_a_body_over_its_limit_is_refused(house: House, path: str) -> None:
    for size, code in ((BODY_LIMIT, "request.malformed"), (BODY_LIMIT + 1, "request.too_large")):
        answer = await house.caller(house.stranger).ask("POST", path, body=b" " * size)
        assert answer.code == code


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/", "request.not_found"),
        ("GET", "/v1", "request.not_found"),
        ("GET", "/v1/policies/", "request.not_found"),
        ("GET", "/docs", "request.not_found"),
        ("GET", "/openapi.json", "request.not_found"),
        ("GET", "/v1/challenges", "request.method"),
        ("DELETE", "/v1/policies", "request.method"),
        ("PUT", "/v1/attestations", "request.method"),
        ("OPTIONS", "/v1/attestations", "request.method"),
        ("PATCH", "/healthz", "request.method"),
    ],
)
async def test_other_paths_and_methods_are_signed_problem_documents(
    house: House, method: str, path: str, code: str
) -> None:
    answer = await house.caller(house.stranger).ask(method, path)
    assert answer.code == code
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("allow" in answer.headers) == (code == "request.method")


def variants(request: dict[str, Any]) -> list[tuple[str, object]]:
    """Wrong values for each field of an attestation."""
    text = ["", "=", "a", "ab==", "+/", " ", "\u0000", "\uff41", "A" * 44, None, 1, True, [], {}]
    found: list[tuple[str, object]] = [(name, value) for name in request for value in text]
    found += [("nonce", b64u_encode(bytes(size))) for size in (0, 31, 33)]
    found += [("signing_key", f"x25519:{'A' * 43}"), ("hpke_key", f"ed25519:{'A' * 43}")]
    found += [("evidence", {"format": "sgx-quote", "report": ""}), ("evidence", {"format": "sev-snp-report"})]
    found += [("endorsements", {"certificates": "", "crls": [""] * (MAX_CRLS + 1)})]
    return found


async def test_each_field_of_an_attestation_with_a_wrong_value_is_refused(story: Story) -> None:
    shield = story.shield()
    request = await shield.request()
    for name, value in variants(request):
        answer = await shield.attest({**request, name: value})
        assert answer.code in {"request.malformed", "request.unsigned", "evidence.refused", "nonce.refused"}, name
        assert answer.status < 500


async def test_evidence_of_any_bytes_is_refused_and_nothing_worse(story: Story) -> None:
    shield = story.shield()
    good = await shield.request()
    report, table = good["evidence"]["report"], good["endorsements"]["certificates"]
    for size in (0, 1, 100, len(report) - 4):
        for cut in ({"evidence": {**good["evidence"], "report": report[: size // 4 * 4]}},):
            answer = await shield.attest({**await shield.request(), **cut})
            assert answer.code == "evidence.refused"
        short = {**good["endorsements"], "certificates": table[: size // 4 * 4]}
        answer = await shield.attest({**await shield.request(), "endorsements": short})
        assert answer.code == "evidence.refused"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("path", POSTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=json_values)
async def test_any_json_is_answered_and_never_with_a_failure(house: House, path: str, value: object) -> None:
    answer = await house.caller(house.stranger).ask("POST", path, body=json.dumps(value).encode("utf-8", "replace"))
    assert answer.status < 500
    assert answer.data


TRICKS = (
    "acme/records\u200b",
    "аcme/records",  # noqa: RUF001 - the first letter is Cyrillic
    "acme\u2215records",
    "ACME/RECORDS",
    "acme/records ",
    "acme//records",
    "acme/../acme/records",
    "a" * 1000 + "/b",
)


@pytest.mark.parametrize("name", TRICKS)
async def test_names_that_only_look_alike_are_refused(house: House, name: str) -> None:
    genesis = house.genesis(name)
    answer = await house.create(genesis, house.document(genesis, b"{}"))
    assert answer.status in {400, 422}, answer.body
    assert answer.code in {"policy.invalid", "request.malformed"}


@pytest.mark.parametrize("genesis", [b"", b"{}", b"null", b"\xff", b'{"casemate_genesis":1}', b"[" * 1000])
async def test_what_is_no_genesis_record_is_refused(house: House, genesis: bytes) -> None:
    good = house.genesis()
    body = {"genesis": b64u_encode(genesis), "submission": house.envelope(house.document(good, b"{}"))}
    answer = await house.caller(house.alice).ask("POST", "/v1/policies", body)
    assert answer.status in {400, 422}


@pytest.mark.parametrize("document", [{}, {"casemate": 1}, {"casemate": 2}, {"services": []}])
async def test_what_is_no_policy_document_is_refused(house: House, document: dict[str, Any]) -> None:
    genesis = house.genesis()
    good = house.document(genesis, b"{}")
    envelope = house.envelope(good, document=document)
    body = {"genesis": b64u_encode(genesis), "submission": envelope}
    answer = await house.caller(house.alice).ask("POST", "/v1/policies", body)
    assert (answer.status, answer.code) == (422, "policy.invalid")
