"""What a genuine custodian refuses: told apart, told with the reason, and never a crash."""

from __future__ import annotations

import pytest

from casemate.errors import ConflictError, NotFoundError, RefusedError, UnreachableError
from casemate.wire import canonical
from casemate.wire.problem import PROBLEM_URI

from .conftest import FakeCustodian

POLICY = "sha256:" + "0" * 64


def test_a_signed_answer_that_is_not_understood_is_no_crash(custodian: FakeCustodian) -> None:
    for value in ({}, [], {**custodian.value, "more": 1}, {**custodian.value, "time": "now"}):
        custodian.value = value
        with custodian.client() as client, pytest.raises(UnreachableError, match="not understood"):
            client.custodian()


def test_a_newer_version_is_a_conflict_that_names_it(custodian: FakeCustodian) -> None:
    custodian.status, custodian.value = 409, _problem("policy.conflict", 409, newest="sha256:" + "1" * 64)
    with custodian.client() as client, pytest.raises(ConflictError, match="newer version") as told:
        client.policy(POLICY)
    assert told.value.got == "sha256:" + "1" * 64


def test_a_signed_refusal_is_told_with_what_was_wrong(custodian: FakeCustodian) -> None:
    custodian.status, custodian.value = 422, _problem("policy.invalid", 422, detail="services.api: no such thing")
    with (
        custodian.client() as client,
        pytest.raises(RefusedError, match=r"It is wrong: services\.api: no such thing") as told,
    ):
        client.policy(POLICY)
    assert (told.value.problem, told.value.status, told.value.decision) == ("policy.invalid", 422, None)


@pytest.mark.parametrize(
    ("code", "cure"), [("volume.read", "end the mounts and the services"), ("volume.rekeying", "wait until it ends")]
)
def test_a_volume_that_is_in_use_says_for_how_long_and_what_to_do(
    custodian: FakeCustodian, code: str, cure: str
) -> None:
    custodian.status, custodian.value = 409, {**_problem(code, 409), "wait": 17}
    with custodian.client() as client, pytest.raises(RefusedError, match="this may pass in 17 s") as told:
        client.policy(POLICY)
    assert told.value.remedy is not None
    assert cure in told.value.remedy


def test_only_a_decision_is_offered_for_an_explanation(custodian: FakeCustodian) -> None:
    custodian.status, custodian.value = 403, _problem("policy.denied", 403, step="runtime.measurement", got="x")
    with custodian.client() as client, pytest.raises(RefusedError) as told:
        client.policy(POLICY)
    assert (told.value.decision, told.value.step, told.value.got) == ("d" * 40, "runtime.measurement", "x")


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("policy.unknown", 404, NotFoundError),
        ("rate.limited", 429, UnreachableError),
        ("internal", 500, UnreachableError),
    ],
)
def test_other_refusals_are_told_apart(
    custodian: FakeCustodian, code: str, status: int, error: type[Exception]
) -> None:
    custodian.status, custodian.value = status, _problem(code, status)
    with custodian.client() as client, pytest.raises(error, match="It is wrong"):
        client.policy(POLICY)


def _problem(code: str, status: int, **more: str) -> dict[str, object]:
    known = {"type": PROBLEM_URI + code, "title": "It is wrong", "status": status, "code": code, "id": "d" * 40}
    return {**known, **more}


def test_a_signed_refusal_of_another_form_is_no_crash(custodian: FakeCustodian) -> None:
    custodian.status = 403
    custodian.change = lambda reply, asked: custodian.signed(403, canonical.encode({"oops": 1}), asked.signature)
    with custodian.client() as client, pytest.raises(UnreachableError, match="answered 403 in a way"):
        client.custodian()
