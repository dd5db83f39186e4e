"""`casemate output`: what is said before anybody is asked. The rest is in tests/e2e/test_output.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from casemate.cli.output.seal import _secret_of
from casemate.client import identities, pins
from casemate.errors import UsageError
from casemate.output import key

from .conftest import Casemate

TO = ("--policy", "acme/records#api")


@pytest.fixture
def made(casemate: Casemate, alice: identities.Identity, main_custodian: pins.Pin) -> Path:
    told = casemate("policy", "init", "acme/records", "--owner", "alice", "--service", "api", "--insecure-simulation")
    assert told.status == 0
    return Path("records.yaml")


def test_without_the_key_nothing_is_opened(casemate: Casemate, made: Path) -> None:
    error = casemate("output", "open", "log", *TO, "--json").data["error"]
    assert (error["code"], error["remedy"]) == ("usage", "name it with --key-file")


def test_a_log_that_is_not_there_is_named(casemate: Casemate, made: Path) -> None:
    key.create(Path("k"))
    error = casemate("output", "open", "no-log", *TO, "--key-file", "k", "--json").data["error"]
    assert error["message"] == "no-log: No such file or directory"
    error = casemate("output", "open", ".", *TO, "--key-file", "k", "--json").data["error"]
    assert error["code"] == "usage"


def test_a_service_that_the_file_does_not_have_gets_no_key(casemate: Casemate, made: Path, home: Path) -> None:
    before = made.read_bytes()
    error = casemate("output", "seal", made, "--policy", "acme/records#web", "--json").data["error"]
    assert "has no service web" in error["message"]
    assert made.read_bytes() == before
    assert not (home / "output-keys").exists()


def test_a_file_of_another_policy_is_refused(casemate: Casemate, made: Path) -> None:
    Path("other.yaml").write_text("casemate: 1\ngenesis: sha256:00\n")
    error = casemate("output", "seal", "other.yaml", *TO, "--json").data["error"]
    assert "is not a version of acme/records" in error["message"]


def test_each_service_has_a__secret_of_its_own() -> None:
    assert _secret_of("api", {}, {}) == "output_key_api"
    assert _secret_of("api-2", {}, {}) == "output_key_api_2"
    assert _secret_of("api_2", {}, {"output_key_api_2": {}}) == "output_key_api_2_2"
    assert _secret_of("api", {"output": {"sealed": "mine"}}, {"mine": {}}) == "mine"
    long = "a" * 63
    names = {_secret_of(long, {}, {}): None}
    names[_secret_of(long, {}, names)] = None
    assert {len(name) for name in names} == {63}
    assert len(names) == 2


def test_a_key_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "k"
    other.write_text("casemate-image-key:v1:" + "A" * 43 + "\n")
    other.chmod(0o600)
    with pytest.raises(UsageError, match="is no output key"):
        key.load(other)
