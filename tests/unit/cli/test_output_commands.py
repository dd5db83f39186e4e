"""`casemate output`: what is said before anybody is asked. The rest is in tests/e2e/test_output.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from casemate.cli._policy_file import PolicyFile
from casemate.client import identities, pins
from casemate.errors import UsageError
from casemate.output import key

from .conftest import Casemate

TO = ("--policy", "acme/records#api")
GENESIS: Any = None


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


def test_each_service_has_a_secret_of_its_own() -> None:
    def named(service: str, secrets: dict[str, Any], said: object = None) -> str:
        document = {"services": {service: {"output": said}}, "secrets": secrets}
        return PolicyFile(Path("p"), GENESIS, "", document).secret_for(service, "output", "sealed", f"key_{service}")

    assert named("api", {}) == "key_api"
    assert named("api", {"key_api": {}, "key_api_2": {}}) == "key_api_3"
    assert named("api", {"mine": {}}, {"sealed": "mine"}) == "mine"
    long = named("a" * 63, {})
    again = named("a" * 63, {long: {}})
    assert (len(long), len(again), long == again) == (63, 63, False)


def test_a_key_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "k"
    other.write_text("casemate-image-key:v1:" + "A" * 43 + "\n")
    other.chmod(0o600)
    with pytest.raises(UsageError, match="is no output key"):
        key.load(other)
