"""Result tokens say what was verified, warn of what was excused, and are what spec/ear-profile.md says they are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.custodian import ear
from casemate.custodian.signing import SigningKey
from casemate.custodian.trust_vector import trust_vector
from casemate.platforms import PLATFORMS
from casemate.policy._platforms import Waiver
from casemate.policy.model import Asked
from casemate.wire.binding import signing_key_text
from casemate.wire.fields import b64u_decode
from casemate.wire.results import status_of

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
LATER = datetime(2027, 1, 31, tzinfo=UTC)
NOTHING = Asked({}, {}, ())
KEY = Ed25519PrivateKey.generate()
TEXT = signing_key_text(KEY.public_key().public_bytes_raw())
SIGNER = SigningKey(KEY, TEXT, "certificate", NOW.timestamp() + 86_400)


def claims(platform: str, **more: Any) -> VerifiedClaims:
    return VerifiedClaims(
        platform,
        "milan",
        "sha384:" + "0" * 96,
        bytes(32),
        bytes(64),
        bytes(64),
        {"bootloader": 1},
        NOW,
        VERIFIER_TOKEN,
        **more,
    )


def admitted(of: VerifiedClaims, asked: Asked = NOTHING) -> ear.Admitted:
    return ear.Admitted(
        of,
        asked,
        nonce=bytes(32),
        signing_key=TEXT,
        manifest="sha256:" + "a" * 64,
        policy_version="sha256:" + "b" * 64,
        service="acme/records#api",
    )


def payload(of: VerifiedClaims, asked: Asked = NOTHING, seconds: int = 300) -> dict[str, Any]:
    token = ear.issue(SIGNER, admitted(of, asked), custodian="sha256:" + "c" * 64, now=NOW, seconds=seconds)
    header = {"alg": "EdDSA", "typ": "eat+jwt", "kid": TEXT, "casemate_instance": "certificate"}
    assert jwt.get_unverified_header(token) == header
    unwatched = {"verify_exp": False, "verify_iat": False}
    said: dict[str, Any] = jwt.decode(token, KEY.public_key(), algorithms=["EdDSA"], options=unwatched)
    return said


def vector(of: VerifiedClaims, asked: Asked = NOTHING) -> tuple[dict[str, int], dict[str, str]]:
    return trust_vector(of, asked, NOW)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_hardware_that_nothing_is_known_against_is_affirmed_and_made_up_hardware_never(platform: str) -> None:
    found, warnings = vector(claims(platform))
    made_up = platform.startswith("simulated")
    assert found["hardware"] == (32 if made_up else 2)
    assert found["runtime-opaque"] == (2 if platform in {"sev-snp", "tdx", "sgx"} else 32)
    affirmed = platform in {"sev-snp", "tdx", "sgx"}
    assert status_of(found) == ("affirming" if affirmed else "warning")
    assert set(warnings) == {entry for entry, value in found.items() if value == 32}
    assert (found["storage-opaque"], found["sourced-data"]) == (0, 0), "evidence says nothing about them"


@pytest.mark.parametrize(
    ("status", "warned"),
    [
        ("sw-hardening-needed", {"hardware"}),
        ("out-of-date", {"hardware"}),
        ("configuration-needed", {"configuration"}),
        ("configuration-and-sw-hardening-needed", {"hardware", "configuration"}),
        ("out-of-date-configuration-needed", {"hardware", "configuration"}),
        ("something-newer", {"hardware"}),
    ],
)
def test_a_waived_status_is_a_warning_with_its_reason(status: str, warned: set[str]) -> None:
    waiver = Waiver(status, frozenset({"INTEL-SA-00615"}), None, LATER)
    given = claims("tdx", tcb_status=status, advisories=("INTEL-SA-00615",))
    found, warnings = vector(given, replace(NOTHING, waivers=(waiver,)))
    assert {entry for entry, value in found.items() if value == 32} == warned == set(warnings)
    assert set(warnings.values()) == {f"{status} (INTEL-SA-00615), waived until 2027-01-31"}
    assert status_of(found) == "warning"


def test_an_up_to_date_tcb_is_no_warning() -> None:
    assert vector(claims("tdx", tcb_status="up-to-date"))[1] == {}


def test_a_revocation_list_that_was_waived_is_a_warning() -> None:
    waiver = Waiver(None, frozenset(), "crl", LATER)
    found, warnings = vector(claims("sev-snp", lacks=frozenset({"crl"})), replace(NOTHING, waivers=(waiver,)))
    assert (found["instance-identity"], warnings["instance-identity"]) == (-33, "without crl, waived until 2027-01-31")
    assert status_of(found) == "warning"


def test_a_key_that_the_policy_names_stands_in_for_an_authority() -> None:
    given = claims("tpm", lacks=frozenset({"authority"}))
    assert vector(given, replace(NOTHING, require={"name": frozenset({"ab"})}))[0]["instance-identity"] == 2
    assert vector(given)[0]["instance-identity"] == -33


@pytest.mark.parametrize(
    ("value", "tier"),
    [
        (-128, "contraindicated"), (-97, "contraindicated"), (-96, "warning"), (-33, "warning"), (-32, "affirming"),
        (-2, "affirming"), (-1, "none"), (0, "none"), (1, "none"), (2, "affirming"), (31, "affirming"),
        (32, "warning"), (95, "warning"), (96, "contraindicated"), (127, "contraindicated"),
    ],
)  # fmt: skip
def test_each_number_belongs_to_a_tier(value: int, tier: str) -> None:
    assert status_of({"hardware": value}) == tier


def test_the_status_is_the_worst_in_the_vector() -> None:
    assert status_of({"a": 0, "b": 2, "c": 32, "d": 96}) == "contraindicated"
    assert status_of({"a": 0, "b": 2}) == "affirming"


def test_a_token_says_what_was_verified_for_which_policy_and_key() -> None:
    values = {"chip_id": "00", "product": "milan"}
    said = payload(claims("sev-snp", values=values), replace(NOTHING, require={"product": frozenset({"milan"})}))
    assert said["exp"] - said["iat"] == 300
    assert (said["eat_profile"], said["iss"]) == ("tag:ietf.org,2026:rats/ear#04", "sha256:" + "c" * 64)
    assert b64u_decode(said["cnf"]["jwk"]["x"]) == KEY.public_key().public_bytes_raw()
    workload = said["submods"]["workload"]
    assert (workload["eat_profile"], workload["ear_status"]) == ("tag:casemate.dev,2026:ear#1", "affirming")
    told = workload["ear_attester_claims"]
    assert told["tcb"] == {"bootloader": 1}
    assert told["values"] == {"product": "milan"}, "which machine it is nobody asked"
    assert (told["advisories"], told["lacks"], "tcb_status" in told) == ([], [], False)


def test_a_token_does_not_outlive_the_certificate_of_its_signer() -> None:
    said = payload(claims("sev-snp"), seconds=200_000)
    assert said["exp"] - said["iat"] == 86_400


def test_a_key_set_entry_is_the_public_key() -> None:
    entry = ear.jwk(TEXT, "its certificate")
    assert json.loads(json.dumps(entry)) == entry
    assert entry.pop("x")
    assert entry.pop("casemate_instance") == "its certificate"
    assert entry == {"kty": "OKP", "crv": "Ed25519", "kid": TEXT, "use": "sig", "alg": "EdDSA"}
