"""What `manifest build`, `manifest show` and `run` make of words: a value, or a usage error that says what to write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.cli import _genesis
from casemate.cli.manifest import _options
from casemate.client import pins
from casemate.errors import UsageError

from .conftest import Casemate
from .test_choices import genesis

READERS: list[Callable[[list[str]], object]] = [
    _options.holes,
    _options.environment,
    _options.values,
    _options.folders,
    _options.writables,
    _options.mounts,
    _options.volumes,
    lambda texts: _options.user(texts[0]),
    lambda texts: _options.ra_tls(texts[0]),
    lambda texts: _options.reference(texts[0]),
]


@given(st.lists(st.text(max_size=30) | st.text("=:/a0#hostpliycM", max_size=30), min_size=1, max_size=3))
def test_any_words_are_values_or_a_usage_error(texts: list[str]) -> None:
    for read in READERS:
        with suppress(UsageError):
            read(texts)


def test_words_mean_what_the_help_says() -> None:
    holes = _options.holes(["a=[0-9]+", "host:b=x|y", "policy:c=="])
    assert {name: (hole.from_, hole.pattern) for name, hole in holes.items()} == {
        "a": ("policy", "[0-9]+"), "b": ("host", "x|y"), "c": ("policy", "="),
    }  # fmt: skip
    assert _options.environment(["A=", "B=x=y"]) == {"A": "", "B": "x=y"}
    (plain, mode, size) = _options.writables(["/tmp", "/a:1777", "/b:700:8K"])
    assert (plain.mode, plain.size) == ("0700", 64 * 1024**2)
    assert (mode.mode, mode.size) == ("1777", 64 * 1024**2)
    assert (size.mode, size.size) == ("0700", 8192)
    assert [(m.path, m.access) for m in _options.mounts(["/a", "/b:write"])] == [("/a", "read"), ("/b", "write")]
    user = _options.user("1000:100")
    assert user is not None
    assert (user.uid, user.gid, _options.user(None)) == (1000, 100, None)
    assert _options.reference("acme/records#api") == ("acme/records", "api")
    for text, seconds, reload in (("/t", 86_400, None), ("/t:90m", 5400, None), ("/t::SIGHUP", 86_400, "hup"),
                                  ("/t:60s:usr1", 60, "usr1")):  # fmt: skip
        certificate = _options.ra_tls(text)
        assert certificate is not None
        assert (certificate.path, certificate.lifetime, certificate.reload) == ("/t", seconds, reload)


@pytest.mark.parametrize(
    ("read", "texts", "message"),
    [
        (_options.holes, ["x"], "not a hole"),
        (_options.holes, ["=x"], "not a hole"),
        (_options.holes, ["root:x=y"], "not a hole of its own"),
        (_options.holes, ["x=a", "policy:x=b"], "not a hole of its own"),
        (_options.holes, ["x=(?=a)"], "not a hole"),
        (_options.environment, ["A"], "not a variable"),
        (_options.environment, ["A=1", "A=2"], "A is given twice"),
        (_options.values, ["=1"], "not a hole's value"),
        (_options.folders, ["/data"], "not a mount"),
        (_options.folders, ["/data=/no/such/folder"], "/no/such/folder is not a folder"),
        (_options.folders, ["/data=/etc/passwd"], "/etc/passwd is not a folder"),
        (_options.writables, ["/tmp:888"], "not a writable folder"),
        (_options.writables, ["/tmp:1777:1T"], "not a writable folder"),
        (_options.writables, ["/tmp:1777:1M:x"], "not a writable folder"),
        (_options.writables, ["tmp"], "not a writable folder: path"),
        (_options.writables, ["/tmp:1777:1"], "not a writable folder: size"),
        (_options.mounts, ["/data:execute"], "not a mount: access"),
        (_options.mounts, ["data"], "not a mount: path"),
        (_options.volumes, ["data"], "not a place for a volume: path"),
        (_options.ra_tls, "t", "not a place for a certificate: path"),
        (_options.ra_tls, "/t:59s", "how long a certificate can live"),
        (_options.ra_tls, "/t:2d", "how long a certificate can live"),
        (_options.ra_tls, "/t:1h:kill", "not a place for a certificate: reload"),
        (_options.ra_tls, "/t:1h:hup:x", "not a place for a certificate"),
        (_options.user, "root", "not a user"),
        (_options.user, "1000", "not a user"),
        (_options.user, "4294967295:0", "not a user: uid"),
        (_options.reference, "acme/records", "not a policy and a service"),
        (_options.reference, "Acme/records#api", "not a policy and a service"),
    ],
)
def test_words_that_mean_nothing_are_told(read: Callable[[Any], object], texts: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(texts)


@pytest.fixture
def policy(home: Path, main_custodian: pins.Pin) -> str:
    _genesis.keep(home / "policies", genesis(main_custodian))
    return "acme/records#api"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--", "no-such-program-anywhere"), "no program no-such-program-anywhere"),
        (("--", "/etc/passwd"), "no program /etc/passwd"),
        (("--", "/tmp"), "no program /tmp"),
        (("--", ""), "no program "),
        (("--include", "/no/such/file", "--", "/usr/bin/busybox"), "/no/such/file: /no does not exist"),
        (("--include", "/dev/null", "--", "/usr/bin/busybox"), "/dev/null is neither file nor folder"),
        (("--file", "/etc/x", "--", "/usr/bin/busybox"), "/etc/x must lie below /run"),
        (("--env", "LD_PRELOAD={{ hole.x }}", "--hole", "x=a", "--", "/usr/bin/busybox"), "LD_PRELOAD steers a loader"),
        (("--", "/usr/bin/busybox", "{{ hole.x }}"), "x is used but not declared"),
        (("--hole", "x=a", "--", "/usr/bin/busybox"), "x is declared but not used"),
        (("--workdir", "here", "--", "/usr/bin/busybox"), "working_directory: not an absolute path"),
        (("--writable", "/usr", "--", "/usr/bin/busybox"), "/usr would hide files of root"),
    ],
)
def test_a_manifest_that_cannot_be_is_told(
    casemate: Casemate, policy: str, home: Path, words: tuple[str, ...], message: str
) -> None:
    error = casemate("manifest", "build", "--json", "--policy", policy, *words).data["error"]
    assert message in error["message"]
    assert not (home / "manifests").exists()


def test_a_program_is_found_by_name_path_and_link(casemate: Casemate, policy: str, tmp_path: Path) -> None:
    link = tmp_path / "box"
    link.symlink_to("/usr/bin/busybox")
    digests = set()
    for word in ("busybox", "/usr/bin/../bin/busybox", os.path.relpath("/usr/bin/busybox")):
        digests.add(casemate("manifest", "build", "--json", "--policy", policy, "--", word).data["manifest"])
    assert len(digests) == 1
    linked = casemate("manifest", "build", "--json", "--policy", policy, "--", str(link)).data
    shown = casemate("manifest", "show", "--json", linked["manifest"]).data["manifest"]
    assert shown["entrypoint"] == [str(link)], "its own name is kept: programs look at it"


def test_a_manifest_reads_well_and_verifies(casemate: Casemate, policy: str) -> None:
    options = ("--hole", "host:port=[0-9]+", "--writable", "/tmp", "--mount", "/data:write", "--user", "1000:1000",
               "--ra-tls", "/run/tls:6h:hup")  # fmt: skip
    words = ("/usr/bin/busybox", "nc", "-l", "-p", "{{ hole.port }}", "with space")
    built = casemate("manifest", "build", "--policy", policy, *options, "-o", "m.json", "--json", "--", *words).data
    for which in (policy, built["manifest"], "m.json"):
        text = casemate("manifest", "show", which).output
        assert f"digest  {built['manifest']}\n" in text
        assert "runs  /usr/bin/busybox nc -l -p '{{ hole.port }}' 'with space'\n" in text
        assert "holes  port (host: [0-9]+)\n" in text
        assert "host folders  /data (write)\n" in text
        assert "certificate  over evidence, in /run/tls, each for 21600 s, SIGHUP when there is a new one\n" in text
        assert casemate("manifest", "verify", which, "--json").data["differences"] == 0
    assert "/usr/bin/busybox" in casemate("manifest", "show", policy, "--files").output


def test_a_changed_file_is_told_by_name_and_digest(casemate: Casemate, policy: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/busybox sh\n")
    script.chmod(0o755)
    assert casemate("manifest", "build", "--policy", policy, "--", str(script)).status == 0
    script.write_text("#!/usr/bin/busybox sh\nevil\n")
    error = casemate("manifest", "verify", policy, "--json").data["error"]
    assert (error["step"], str(script) in error["message"]) == ("manifest.verify", True)
    script.unlink()
    assert casemate("manifest", "verify", policy, "--json").data["error"]["got"] == "No such file or directory"


@pytest.mark.parametrize("text", ["", "{}", "[" * 10**5, "x" * 100, '{"a": 1}'])
def test_a_file_that_is_no_manifest_is_named(casemate: Casemate, home: Path, text: str) -> None:
    Path("m.json").write_text(text)
    for command in (("manifest", "show"), ("manifest", "verify"), ("run",)):
        error = casemate(*command, "m.json", "--json").data["error"]
        assert (error["code"], error["message"].startswith("m.json is not a launch manifest: ")) == ("manifest", True)


def test_damaged_manifests_do_not_hide_good_ones(casemate: Casemate, policy: str, home: Path) -> None:
    built = casemate("manifest", "build", "--json", "--policy", policy, "--", "/usr/bin/busybox").data
    name, service = policy.split("#")
    fake = json.dumps({"policy": {"name": name, "service": service}}, separators=(",", ":"))
    for digits, text in (("0" * 64, ""), ("1" * 64, fake), ("2" * 64, '"name":"acme/records","service":"api"}')):
        (home / "manifests" / f"{digits}.json").write_text(text)
    assert casemate("manifest", "show", policy, "--json").data["digest"] == built["manifest"]
