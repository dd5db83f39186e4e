"""What a person gives to `run` fits the manifest, or nothing is launched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from casemate.client import pins
from casemate.client.addresses import literal_addresses
from casemate.errors import UnreachableError, UsageError
from casemate.manifest.bundle import host_holes
from casemate.wire.manifest import Manifest, ParsedManifest

from .conftest import Casemate


def manifest(arguments: list[str], **holes: tuple[str, str]) -> Manifest:
    value: dict[str, Any] = {
        "casemate_manifest": 1,
        "role": "workload",
        "custodian": "sha256:" + "1" * 64,
        "policy": {"name": "acme/records", "genesis": "sha256:" + "2" * 64, "service": "api"},
        "root": [{"path": "/bin/x", "type": "file", "digest": "sha256:" + "0" * 64, "size": 1, "mode": "0555"}],
        "writable": [], "mounts": [], "files": [], "entrypoint": ["/bin/x"], "arguments": arguments, "environment": {},
        "holes": {name: {"from": origin, "pattern": pattern} for name, (origin, pattern) in holes.items()},
        "working_directory": "/", "user": {"uid": 1000, "gid": 1000},
    }  # fmt: skip
    return Manifest.model_validate(value)


PORT = manifest(["--port", "{{ hole.port }}"], port=("host", "[0-9]+"))
BOTH = manifest(["{{ hole.port }}", "{{ hole.key }}"], port=("host", "[0-9]+"), key=("policy", "[a-z]+"))


@pytest.mark.parametrize(
    ("given", "named"),
    [([], {"port": "1"}), (["--port", "1"], {}), (["--port", "1"], {"port": "1"})],
)
def test_a_hole_may_be_named_or_given_in_place(given: list[str], named: dict[str, str]) -> None:
    assert host_holes(PORT, given, named) == {"port": "1"}


@pytest.mark.parametrize(
    ("whole", "given", "named", "message"),
    [
        (PORT, [], {}, "no value for the hole port"),
        (PORT, [], {"port": "x"}, "a value that does not fit the hole port"),
        (PORT, [], {"port": "1\n"}, "a value that does not fit the hole port"),
        (PORT, [], {"prt": "1", "port": "1"}, "the manifest has no hole prt"),
        (PORT, ["--port", "1"], {"port": "2"}, "two values for the hole port"),
        (BOTH, [], {"port": "1", "key": "a"}, "the hole key is filled by the policy"),
        (BOTH, ["1", "a"], {}, "the hole key is filled by the policy"),
    ],
)
def test_what_does_not_fit_is_refused(whole: Manifest, given: list[str], named: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        host_holes(whole, given, named)


def test_policy_holes_are_left_to_the_policy() -> None:
    assert host_holes(BOTH, [], {"port": "1"}) == {"port": "1"}


@pytest.mark.parametrize(
    ("url", "address"), [("http://127.0.0.1:7700", "http://127.0.0.1:7700"), ("http://[::1]:1", "http://[::1]:1")]
)
def test_names_are_resolved_here(url: str, address: str) -> None:
    assert literal_addresses(url) == [address]


def test_a_name_without_an_address_is_told() -> None:
    for host in ("no-such-host.invalid", "a" * 70, "xn--"):
        with pytest.raises(UnreachableError, match="no address for"):
            literal_addresses(f"http://{host}:1")


def test_a_shield_is_not_sent_through_tls() -> None:
    with pytest.raises(UsageError, match="plain HTTP"):
        literal_addresses("https://127.0.0.1")


def test_nothing_is_launched_for_another_custodian(casemate: Casemate, main_custodian: pins.Pin, home: Path) -> None:
    """The manifest names one that is not pinned here, or another one than `--custodian`."""
    Path("m.json").write_bytes(ParsedManifest.build(PORT).data)
    for options, message in (((), "not pinned here"), (("--custodian", "main"), "main is not the custodian")):
        error = casemate("run", "m.json", "--json", *options).data["error"]
        assert message in error["message"]
