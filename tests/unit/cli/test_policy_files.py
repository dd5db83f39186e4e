"""Policy files on this machine: made, filled in, checked, sealed for; nobody is asked."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from casemate.client import identities, pins
from casemate.manifest import library
from casemate.manifest.build import Built
from casemate.policy import source
from casemate.secrets.catalogue import SCHEMAS
from casemate.wire.manifest import Manifest, ParsedManifest

from .conftest import Casemate

MEASUREMENT = "sha384:" + "7" * 96


@pytest.fixture
def made(casemate: Casemate, alice: identities.Identity, main_custodian: pins.Pin) -> Path:
    """`records.yaml` of a policy with one service `api`."""
    said = casemate("policy", "init", "acme/records", "--owner", "alice", "--service", "api", "--insecure-simulation")
    assert said.status == 0, said.errors
    return Path("records.yaml")


def _manifest(home: Path, file: Path, service: str = "api", **changes: object) -> str:
    """A manifest for that policy in the library."""
    document = source.load(file.read_text(), SCHEMAS)
    value = {
        "casemate_manifest": 1,
        "role": "workload",
        "custodian": "sha256:" + "1" * 64,
        "policy": {"name": document.policy, "genesis": document.genesis, "service": service},
        "root": [{"path": "/bin/x", "type": "file", "digest": "sha256:" + "0" * 64, "size": 1, "mode": "0555"}],
        "writable": [], "mounts": [], "files": [], "entrypoint": ["/bin/x"], "arguments": [], "environment": {},
        "holes": {}, "working_directory": "/", "user": {"uid": 1000, "gid": 1000},
        **changes,
    }  # fmt: skip
    parsed = ParsedManifest.build(Manifest.model_validate(value))
    library.save(home / "manifests", Built(parsed, {}))
    return parsed.digest


def test_a_new_policy_file_is_good_as_it_stands(made: Path, casemate: Casemate, home: Path) -> None:
    said = casemate("policy", "check", made)
    assert (said.status, said.errors) == (0, "")
    assert said.output.startswith("records.yaml: good; version sha256:")
    assert yaml.safe_load(made.read_text())["services"].keys() == {"api"}
    assert len(list((home / "policies").iterdir())) == 1


def test_a_file_that_is_there_is_not_overwritten(made: Path, casemate: Casemate) -> None:
    before = made.read_text()
    error = casemate("policy", "init", "other/records", "--owner", "alice", "--json").data["error"]
    assert (error["message"], made.read_text()) == ("records.yaml is there already", before)
    again = casemate("policy", "init", "acme/records", "--owner", "alice", "-o", "again.yaml", "--json").data["error"]
    assert "already another genesis record" in again["message"]
    assert not Path("again.yaml").exists(), "what did not come to be leaves nothing"


def test_a_file_that_cannot_be_written_keeps_no_genesis(
    casemate: Casemate, alice: identities.Identity, main_custodian: pins.Pin, home: Path
) -> None:
    assert casemate("policy", "init", "a/b", "--owner", "alice", "-o", "no/such/folder.yaml").status == 2
    assert not (home / "policies").exists()
    assert casemate("policy", "init", "a/b", "--owner", "alice").status == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--owner", "nobody"), "no identity nobody"),
        (("--owner", "alice", "--owner", "alice"), "alice is named twice"),
        (("--owner", "bob=ed25519:short"), "not a public key"),
        (("--owner", "bob=rsa:x"), "not a public key"),
        (("--owner", "Bob=ed25519:x"), "not a principal's name"),
        (("--owner", ""), "not a principal's name"),
        (("--owner", "alice", "--approvals", "2"), "that many approvals can never be had"),
        (("--owner", "alice", "--approvals", "0"), "that many approvals can never be had"),
        (("--owner", "alice", "--service", "A"), "not a service's name"),
        (("--owner", "alice", "--custodian", "x"), "no custodian is pinned as x"),
    ],
)
def test_wrong_options_are_told_and_leave_nothing(
    casemate: Casemate, alice: identities.Identity, main_custodian: pins.Pin, home: Path, options: tuple[str, ...],
    message: str,
) -> None:  # fmt: skip
    assert message in casemate("policy", "init", "a/b", *options, "--json").data["error"]["message"]
    assert os.listdir() == []
    assert not (home / "policies").exists()


def test_one_key_under_two_names_is_refused(
    casemate: Casemate, alice: identities.Identity, main_custodian: pins.Pin
) -> None:
    twice = casemate("policy", "init", "a/b", "--owner", "alice", "--owner", f"bob={alice.public}", "--json")
    assert "the same key as alice" in twice.data["error"]["message"]


def test_admitting_a_manifest_changes_two_values_and_nothing_else(made: Path, casemate: Casemate, home: Path) -> None:
    made.write_text(made.read_text() + "# the last word\n")
    made.chmod(0o640)
    before = made.read_text()
    digest = _manifest(home, made)
    said = casemate("policy", "admit", made, "acme/records#api", "--runtime", MEASUREMENT, "--json").data
    assert (said["service"], said["manifest"], said["runtime"]) == ("api", digest, MEASUREMENT)
    after = made.read_text()
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert [new.strip() for _, new in changed] == [
        f'workload: {{manifest: "{digest}"}}', f'runtime: {{measurement: "{MEASUREMENT}"}}',
    ]  # fmt: skip
    assert source.load(after, SCHEMAS).version == said["version"]
    assert (made.stat().st_mode & 0o777, os.listdir()) == (0o640, ["records.yaml"])


def test_a_measurement_is_admitted_for_its_platform(made: Path, casemate: Casemate, home: Path) -> None:
    other = "sha384:" + "5" * 96
    digest = _manifest(home, made)
    admit = ("policy", "admit", made, digest, "--runtime", MEASUREMENT)
    refused = casemate(*admit, "--platform", "simulated", "--json")
    assert (refused.status, "one measurement for all" in refused.data["error"]["message"]) == (2, True)
    text = re.sub("measurement: (.*)}", f'measurements: {{simulated: ["{other}"], simulated-container: ["{other}"]}}}}',
                  made.read_text())  # fmt: skip
    made.write_text(text.replace("platforms: [simulated]", "platforms: [simulated, simulated-container]"))
    before = made.read_text()
    refused = casemate(*admit, "--json")
    assert (refused.status, "--platform NAME" in refused.data["error"]["remedy"]) == (2, True)
    assert made.read_text() == before
    assert casemate(*admit, "--platform", "simulated").status == 0
    found = source.load(made.read_text(), SCHEMAS).services["api"].runtime
    assert found.by_platform == {"simulated": (MEASUREMENT,), "simulated-container": (other,)}


@pytest.mark.parametrize("style", ["json", "block", "crlf", "anchor-free comments"])
def test_any_layout_can_be_filled_in(made: Path, casemate: Casemate, home: Path, style: str) -> None:
    document = source.load(made.read_text(), SCHEMAS).to_object()
    if style == "json":
        made.write_text(json.dumps(document))
    elif style == "crlf":
        made.write_bytes(made.read_bytes().replace(b"\n", b"\r\n"))
    elif style == "block":
        made.write_text(yaml.safe_dump(document))
    digest = _manifest(home, made)
    assert casemate("policy", "admit", made, "acme/records#api", "--runtime", MEASUREMENT).status == 0
    filled = source.load(made.read_text(), SCHEMAS).services["api"]
    assert (filled.workload, filled.runtime.everywhere) == (digest, MEASUREMENT)
    assert (b"\r\n" in made.read_bytes()) == (style == "crlf")


def test_what_does_not_belong_to_the_file_is_not_admitted(made: Path, casemate: Casemate, home: Path) -> None:
    before = made.read_text()
    other = {"name": "other/records", "genesis": "sha256:" + "0" * 64, "service": "api"}
    for digest, options, message in (
        (_manifest(home, made, "worker"), (), "records.yaml has no service worker"),
        (_manifest(home, made, policy=other), (), "the manifest belongs to another policy"),
        (_manifest(home, made), ("--runtime", "sha384:00"), "not a runtime's measurement"),
        ("sha256:" + "9" * 64, (), "no manifest sha256:999"),
    ):
        error = casemate("policy", "admit", made, digest, *options, "--json").data["error"]
        assert message in error["message"]
    assert made.read_text() == before


def test_a_file_with_mistakes_is_neither_admitted_to_nor_submitted(made: Path, casemate: Casemate, home: Path) -> None:
    digest = _manifest(home, made)
    made.write_text(made.read_text().replace("lease:", "leese:"))
    for command in (("admit", made, digest), ("submit", made)):
        said = casemate("policy", *command, "--json")
        error = said.data["error"]
        assert (said.status, error["code"]) == (31, "policy.syntax")
        assert error["message"].startswith(f"records.yaml:{error['line']}:{error['column']}: ")
        assert error["remedy"] == "did you mean 'lease'?"


def test_every_finding_is_told_with_its_place_and_what_to_write(casemate: Casemate) -> None:
    Path("p.yaml").write_text("casemate: 1\npolicy: Acme\nservices: {api: {platforms: [sevsnp]}}\n")
    said = casemate("policy", "check", "p.yaml")
    assert (said.status, said.errors) == (31, "")
    assert "p.yaml:2:9: policy: not of the right form\n    write a name like" in said.output
    assert "there is no platform 'sevsnp'\n    did you mean 'sev-snp'?" in said.output
    findings = casemate("policy", "check", "p.yaml", "--json").data["findings"]
    assert len(findings) == said.output.count("p.yaml:")
    assert all(item["line"] >= 1 and item["column"] >= 1 and item["message"] for item in findings)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"casemate: 1\npolicy: \xff\n", "2:9"),
        (b"\xff\xfe", "1:1"),
        (b"", "1:1"),
        (b"\t", "1:1"),
        (b"a" * 2**21, "1:1"),
    ],
)
def test_bytes_that_are_no_policy_have_a_place(casemate: Casemate, data: bytes, place: str) -> None:
    Path("p.yaml").write_bytes(data)
    said = casemate("policy", "check", "p.yaml")
    assert (said.status, said.output.startswith(f"p.yaml:{place}: ")) == (31, True), said.output


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("casemate: 1\naccess: {any: [a]\nservices: {}\n", "3:1", "close the '{' of line 2, column 9 with a '}'"),
        ("casemate: 1\nsecrets: [a\nservices: {}\n", "3:9", "close the '[' of line 2, column 10 with a ']'"),
        ('casemate: "1\npolicy: a/b\n', "3:1", "close the quotes of line 1, column 11"),
        ("casemate: 1\npolicy: %a\n", "2:9", "put the text in quotes"),
        ("casemate: 1\naccess: {a: ]}\n", "2:13", "write a value, or put the text in quotes"),
        ("casemate: 1\n\tpolicy: a/b\n", "2:1", "indent with spaces"),
        ("casemate: 1\npolicy: a: b\n", "2:10", "put text that holds ': ' in quotes, and check the indentation"),
        ("casemate: 1\npolicy: |x\n", "2:10", "put the text in quotes, and check the indentation"),
    ],
)
def test_broken_yaml_says_what_is_open_and_what_to_write(
    casemate: Casemate, text: str, place: str, remedy: str
) -> None:
    Path("p.yaml").write_text(text)
    said = casemate("policy", "check", "p.yaml")
    assert said.output.startswith(f"p.yaml:{place}: "), said.output
    assert remedy in said.output


def test_sealed_values_that_are_damaged_are_named(made: Path, casemate: Casemate) -> None:
    Path("value").write_text("x")
    for text in ("", "[]", "{", '{"token": "%%%"}', '{"token": 5}'):
        Path("sealed.json").write_text(text)
        submit = casemate("policy", "submit", made, "--sealed", "sealed.json", "--json").data["error"]
        assert "sealed.json" in submit["message"]
        assert submit["remedy"] == "make it with: casemate policy seal"
    Path("sealed.json").write_text("[]")
    seal = casemate("policy", "seal", "acme/records", "token", "--from", "value", "--into", "sealed.json", "--json")
    assert "sealed.json is not a file of sealed values" in seal.data["error"]["message"]
    assert Path("sealed.json").read_text() == "[]"
