"""`casemate release`, and the images and policies that go by it: on this machine, nobody is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from casemate.client import identities, pins
from casemate.policy import edit
from casemate.testing.images import archive, folder, member, write_image

from .conftest import Casemate

BASE = archive(folder("bin"), member("bin/server", b"program", 0o755))
RELEASED = {"release": "acme/records", "at_least": "1.4", "signed_by": {"all": ["alice", "auditor"]}}
IMAGE = "oci:images:1-p"
CREATE = ("release", "create", "acme/records", "1.4", "acme/records#api", "--out", "r.json")


@pytest.fixture
def service(casemate: Casemate, alice: identities.Identity, main_custodian: pins.Pin, home: Path) -> Path:
    """A protected image, and a policy whose service goes by release; alice and auditor may change it together."""
    identities.create(home / "identities", "auditor")
    identities.create(home / "identities", "mallory")
    write_image(Path("images"), "1", [BASE], {"Cmd": ["/bin/server"], "User": "1000:1000"})
    for words in (
        ("policy", "init", "acme/records", "--owner", "alice", "--owner", "auditor", "--approvals", "2",
         "--service", "api", "--insecure-simulation"),
        ("image", "protect", "oci:images:1", IMAGE, "--policy", "acme/records#api"),
    ):  # fmt: skip
        said = casemate(*words)
        assert said.status == 0, said.errors
    file = Path("records.yaml")
    file.write_text(edit.put(file.read_text(), ("services", "api", "workload"), RELEASED))
    assert casemate("policy", "admit", "records.yaml", "acme/records#api").status == 0
    return file


def test_two_people_release_what_a_policy_then_admits(casemate: Casemate, service: Path) -> None:
    made = casemate(*CREATE, "--as", "alice", "--reference", "sbom=sha256:" + "a" * 64, "--json").data
    assert [one["name"] for one in made["subjects"]] == ["acme/records#api"]
    refused = casemate("release", "verify", "r.json", "--policy", service, "--json").data["error"]
    assert (refused["step"], refused["got"]) == ("release.verify", "acme/records 1.4, signed by alice")
    signed = casemate("release", "sign", "r.json", "--as", "auditor", "--json").data
    assert len(signed["signers"]) == 2
    admitted = casemate("release", "verify", "r.json", "--policy", service, "--json").data["admitted"]
    assert admitted == [
        {"service": "api.workload", "subject": "acme/records#api", "digest": made["subjects"][0]["digest"],
         "by": "acme/records 1.4, signed by alice, auditor"}
    ]  # fmt: skip
    shown = casemate("release", "show", "r.json").output
    assert "version: 1.4" in shown
    assert f"reference: sbom sha256:{'a' * 64}" in shown


def test_a_statement_is_of_the_image_that_is_named(casemate: Casemate, service: Path) -> None:
    of_image = casemate(*CREATE, "--image", IMAGE, "--as", "alice", "--json").data
    seen = casemate("image", "inspect", IMAGE, "--json").data
    assert of_image["subjects"] == [{"name": "acme/records#api", "digest": seen["manifest"]}]


def test_an_image_carries_its_statements_and_stays_what_it_is(casemate: Casemate, service: Path) -> None:
    before = casemate("image", "inspect", IMAGE, "--json").data
    without = casemate("image", "verify", IMAGE, "--policy", service, "--json").data["error"]
    assert (without["step"], without["got"]) == ("image.manifest", "no release statement")
    casemate(*CREATE, "--as", "alice", "--as", "auditor")
    assert casemate("image", "verify", IMAGE, "--policy", service, "--statement", "r.json").status == 0
    made = casemate("image", "attach", IMAGE, IMAGE, "--statement", "r.json", "--json").data
    after = casemate("image", "inspect", IMAGE, "--json").data
    assert (after["manifest"], after["layers"], after["statements"]) == (before["manifest"], before["layers"], 1)
    assert (after["digest"], after["digest"] == before["digest"]) == (made["digest"], False)
    assert 0 < made["sent"] < 64 * 1024
    verified = casemate("image", "verify", IMAGE, "--policy", service, "--json").data
    assert verified["steps"][:3] == ["policy", "manifest", "runtime"]
    again = casemate("image", "attach", IMAGE, "oci:elsewhere:1", "--statement", "r.json", "--json").data
    assert again["digest"] == made["digest"]
    assert again["sent"] > made["sent"], "all of it, where nothing was"


def test_a_runtime_is_released_by_its_measurements(casemate: Casemate, service: Path) -> None:
    digest = "sha384:" + "7" * 96
    made = casemate(
        "release", "create", "casemate", "0.1", "--runtime", "--measured", f"sev-snp={digest}", "--out", "r.json",
        "--as", "alice", "--as", "auditor", "--json",
    ).data  # fmt: skip
    assert [one["name"] for one in made["subjects"]] == ["simulated", "simulated-container", "sev-snp"]
    text = service.read_text()
    runtime = {**RELEASED, "release": "casemate", "at_least": "0.1"}
    service.write_text(edit.put(text, ("services", "api", "runtime"), runtime))
    admitted = casemate("release", "verify", "r.json", "--policy", service, "--json").data["admitted"]
    assert [one["subject"] for one in admitted] == ["simulated"], "the platform that the service names"
    note = casemate("policy", "admit", "records.yaml", "acme/records#api")
    assert note.status == 0
    assert "runtime: stays release casemate from 0.1 on" in note.errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("acme/records", "1.4"), "nothing is released"),
        (("acme/records", "1.4-beta", "acme/records#api"), "release statement"),
        (("Acme", "1.4", "acme/records#api"), "release statement"),
        (("acme/records", "1.4", "acme/records#other"), "no manifest"),
        (("acme/records", "1.4", "acme/records#api", "--valid-for", "1m"), "a duration out of bounds"),
        (("acme/records", "1.4", "acme/records#api", "--valid-for", "soon"), "not a duration"),
        (("acme/records", "1.4", "acme/records#api", "--reference", "sbom"), "not a reference"),
        (("acme/records", "1.4", "--measured", "sev-snp=sha256:00"), "not a measurement"),
        (("acme/records", "1.4", "--image", IMAGE), "an image has one manifest"),
        (("acme/records", "1.4", "acme/records#api", "--runtime"), "release statement"),
        (("acme/records", "1.4", "acme/records#api", "--as", "nobody"), "no identity nobody"),
    ],
)
def test_what_cannot_be_released_is_told_and_leaves_nothing(
    casemate: Casemate, service: Path, words: tuple[str, ...], message: str
) -> None:
    signer = () if "--as" in words else ("--as", "alice")
    error = casemate("release", "create", *words, *signer, "--out", "r.json", "--json").data["error"]
    assert message in error["message"]
    assert not Path("r.json").exists()


def test_a_statement_is_never_replaced_and_nobody_signs_twice(casemate: Casemate, service: Path) -> None:
    casemate(*CREATE, "--as", "alice")
    before = Path("r.json").read_bytes()
    assert "is there already" in casemate(*CREATE, "--as", "alice", "--json").data["error"]["message"]
    assert "signed already" in casemate("release", "sign", "r.json", "--as", "alice", "--json").data["error"]["message"]
    assert Path("r.json").read_bytes() == before


@pytest.mark.parametrize("command", ["show", "sign", "verify", "attach"])
def test_what_is_no_statement_is_told(casemate: Casemate, service: Path, command: str) -> None:
    casemate(*CREATE, "--as", "alice")
    value: dict[str, Any] = json.loads(Path("r.json").read_text())
    value["signatures"][0]["sig"] = "A" * 86 + "=="
    Path("r.json").write_text(json.dumps(value))
    words = {
        "show": ("release", "show", "r.json"),
        "sign": ("release", "sign", "r.json", "--as", "auditor"),
        "verify": ("release", "verify", "r.json", "--policy", service),
        "attach": ("image", "attach", IMAGE, IMAGE, "--statement", "r.json"),
    }[command]
    error = casemate(*words, "--json").data["error"]
    assert "r.json is no release statement: a signature does not verify" in error["message"]


def test_a_policy_that_pins_says_that_it_knows_no_release(casemate: Casemate, service: Path) -> None:
    casemate("release", "create", "acme/other", "1.4", "acme/records#api", "--out", "r.json", "--as", "alice")
    error = casemate("release", "verify", "r.json", "--policy", service, "--json").data["error"]
    assert "no service of records.yaml goes by releases of this name" in error["message"]
