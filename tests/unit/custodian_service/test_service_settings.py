"""Settings, codes and tokens say what the specification says."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from casemate.custodian.problems import CODES, Refusal, of_submission
from casemate.custodian.settings import (
    ATTESTATION_BODY_LIMIT,
    BODY_LIMIT,
    HEADER_LIMIT,
    REQUEST_SECONDS,
    VERSION,
    Settings,
)
from casemate.errors import ConflictError, NotAuthorisedError, SignatureError, StoreError

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_the_limits_are_those_of_the_protocol() -> None:
    text = (ROOT / "spec" / "protocol.md").read_text()
    assert "body 24 MiB for attestations" in text
    assert "1 MiB elsewhere; headers 64 KiB; 10 s to send a request" in text
    limits = (ATTESTATION_BODY_LIMIT, BODY_LIMIT, HEADER_LIMIT, REQUEST_SECONDS)
    assert limits == (24 * 2**20, 2**20, 64 * 2**10, 10.0)


@pytest.mark.parametrize("wrong", [{"max_pending": 0}, {"max_pending_bytes": ATTESTATION_BODY_LIMIT - 1}, {"x": 1}])
def test_settings_that_could_not_serve_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_every_code_that_callers_may_learn_before_evidence_verified_is_one_of_the_specification() -> None:
    named = {"evidence.refused", "request.malformed", "request.too_large", "request.unsigned", "rate.limited"}
    assert {*named, "nonce.refused", "lease.unknown", "lease.sequence", "lease.revoked"} <= set(CODES)


def test_a_refusal_shows_only_what_it_was_given() -> None:
    problem = Refusal("evidence.refused").problem("0123").model_dump(exclude_none=True)
    assert problem == {
        "type": "https://casemate.dev/problems/evidence.refused",
        "title": "The evidence is not believed",
        "status": 403,
        "code": "evidence.refused",
        "id": "0123",
    }


def test_a_conflict_names_the_newest_version_only_when_it_is_one() -> None:
    version = "sha256:" + "0" * 64
    assert of_submission(ConflictError("x", got=version)).newest == version
    assert of_submission(ConflictError("x", got="alice")).newest is None


@pytest.mark.parametrize("error", [NotAuthorisedError("x"), SignatureError("x")])
def test_a_bad_signature_under_a_policy_is_not_authorised(error: NotAuthorisedError) -> None:
    assert of_submission(error).code == "policy.not_authorised"


def test_a_failure_of_the_store_is_not_the_callers_fault() -> None:
    with pytest.raises(StoreError):
        of_submission(StoreError("disk"))
