"""Settings, codes and tokens say what the specification says."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.custodian import ear
from casemate.custodian.problems import CODES, Refusal, of_submission
from casemate.custodian.settings import (
    ATTESTATION_BODY_LIMIT,
    BODY_LIMIT,
    HEADER_LIMIT,
    REQUEST_SECONDS,
    VERSION,
    Settings,
)
from casemate.custodian.signing import SigningKey
from casemate.errors import ConflictError, NotAuthorisedError, SignatureError, StoreError
from casemate.wire.binding import signing_key_text

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


@pytest.mark.parametrize(
    ("platform", "status", "hardware"),
    [("simulated", "warning", 32), ("simulated-container", "warning", 32), ("sev-snp", "affirming", 2)],
)
def test_a_token_affirms_genuine_hardware_only(platform: str, status: str, hardware: int) -> None:
    key = Ed25519PrivateKey.generate()
    text = signing_key_text(key.public_key().public_bytes_raw())
    claims = VerifiedClaims(
        platform,
        "milan",
        "sha384:" + "0" * 96,
        bytes(32),
        bytes(64),
        bytes(64),
        {"bootloader": 1},
        NOW,
        VERIFIER_TOKEN,
    )
    token = ear.issue(
        SigningKey(key, text, ""),
        custodian="sha256:" + "c" * 64,
        claims=claims,
        nonce=bytes(32),
        signing_key=text,
        manifest="sha256:" + "a" * 64,
        policy_version="sha256:" + "b" * 64,
        service="acme/records#api",
        now=NOW,
        seconds=300,
    )
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": text, "typ": "eat+jwt"}
    said = jwt.decode(token, key.public_key(), algorithms=["EdDSA"], options={"verify_exp": False, "verify_iat": False})
    assert said["exp"] - said["iat"] == 300
    appraisal = said["submods"]["workload"]
    assert appraisal["ear_status"] == status
    assert appraisal["ear_trustworthiness_vector"]["hardware"] == hardware
    assert appraisal["ear_attester_claims"]["tcb"] == {"bootloader": 1}
