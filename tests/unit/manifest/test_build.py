"""Plans become manifests; manifests are kept, found, held against files; hosts fill holes."""

from __future__ import annotations

from pathlib import Path

import pytest

from casemate.errors import ManifestError, UsageError
from casemate.manifest import library
from casemate.manifest.build import Built, Plan, build
from casemate.manifest.bundle import host_holes, launch_bundle
from casemate.manifest.inspect import differences
from casemate.manifest.root import Root
from casemate.wire import canonical
from casemate.wire.manifest import Hole, PolicyBinding, Writable, parse_manifest

DIGEST = "sha256:" + "0" * 64
BINDING = PolicyBinding(name="acme/records", genesis=DIGEST, service="api")


def _built(tmp_path: Path, **changes: object) -> Built:
    program = tmp_path / "program"
    program.write_bytes(b"#!")
    root = Root()
    root.add_file(program, inside="/bin/program")
    values: dict[str, object] = {"entrypoint": ["/bin/program"], "custodian": DIGEST, "policy": BINDING}
    return build(Plan(**{**values, **changes}), root)  # type: ignore[arg-type]


def _hole(pattern: str, origin: str = "host") -> Hole:
    return Hole.model_validate({"pattern": pattern, "from": origin})


def test_what_is_built_parses_to_the_same_digest(tmp_path: Path) -> None:
    built = _built(tmp_path)
    assert parse_manifest(built.parsed.data).digest == built.parsed.digest


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"entrypoint": ["/bin/other"]}, "not a file or link of root"),
        ({"policy": None}, "names its custodian and its policy"),
        ({"arguments": ["{{ hole.port }}"]}, "port is used but not declared"),
        ({"holes": {"port": _hole("[0-9]+")}}, "port is declared but not used"),
        ({"environment": {"LD_PRELOAD": "{{ hole.x }}"}, "holes": {"x": _hole(".*")}}, "steers a loader"),
        ({"files": ["/etc/passwd"]}, "must lie below /run"),
        ({"writable": [Writable(path="/bin", mode="0700", size=4096)]}, "would hide files"),
        ({"arguments": ["{{ secret.x }}"]}, "is not a '{{ hole.NAME }}'"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        _built(tmp_path, **changes)


def test_a_kept_manifest_is_found_by_digest_and_by_service(tmp_path: Path) -> None:
    built = _built(tmp_path)
    library.save(tmp_path / "manifests", built)
    assert library.load(tmp_path / "manifests", built.parsed.digest) == built
    assert library.find(tmp_path / "manifests", "acme/records", "api") == built


def test_a_missing_manifest_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        library.find(tmp_path, "acme/records", "api")
    assert "casemate manifest build --policy acme/records#api" in str(caught.value.remedy)


def test_a_changed_file_is_found_by_verify(tmp_path: Path) -> None:
    built = _built(tmp_path)
    assert list(differences(built.parsed.manifest, built.sources)) == []
    (tmp_path / "program").write_bytes(b"!#")
    (found,) = differences(built.parsed.manifest, built.sources)
    assert found.path == "/bin/program"
    (tmp_path / "program").unlink()
    (gone,) = differences(built.parsed.manifest, built.sources)
    assert gone.got == "No such file or directory"


def test_the_bundle_holds_manifest_sources_and_custodian(tmp_path: Path) -> None:
    built = _built(tmp_path)
    bundle = canonical.decode(launch_bundle(built, genesis=b"{}", addresses=["http://127.0.0.1:1"], holes={"a": "b"}))
    assert bundle["custodian"] == {"genesis": "e30", "addresses": ["http://127.0.0.1:1"]}
    assert (bundle["holes"], bundle["sources"]) == ({"a": "b"}, built.sources)


def test_given_arguments_fill_host_holes(tmp_path: Path) -> None:
    built = _built(
        tmp_path,
        arguments=["--port={{ hole.port }}", "--listen", "{{ hole.ip }}:{{ hole.port }}"],
        holes={"port": _hole("[0-9]{1,5}"), "ip": _hole("(127|10)(\\.[0-9]+){3}")},
    )
    given = ["--port=7", "--listen", "127.0.0.1:7"]
    assert host_holes(built.parsed.manifest, given) == {"port": "7", "ip": "127.0.0.1"}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--port=x"], "does not fit"),
        (["--port=7", "--more"], "1 arguments, 2 were given"),
        (["--prt=7"], "does not fit"),
        (["--port=7\n"], "does not fit"),
    ],
)
def test_arguments_that_the_manifest_does_not_have_are_refused(tmp_path: Path, given: list[str], reason: str) -> None:
    built = _built(tmp_path, arguments=["--port={{ hole.port }}"], holes={"port": _hole("[0-9]{1,5}")})
    with pytest.raises(UsageError, match=reason):
        host_holes(built.parsed.manifest, given)


def test_the_host_cannot_fill_what_the_policy_fills(tmp_path: Path) -> None:
    built = _built(tmp_path, arguments=["{{ hole.x }}"], holes={"x": _hole("[a-z]+", "policy")})
    with pytest.raises(UsageError, match="filled by the policy"):
        host_holes(built.parsed.manifest, ["abc"])


def test_two_values_for_one_hole_are_refused(tmp_path: Path) -> None:
    built = _built(tmp_path, arguments=["{{ hole.x }}", "{{ hole.x }}"], holes={"x": _hole("[a-z]+")})
    with pytest.raises(UsageError, match="two values"):
        host_holes(built.parsed.manifest, ["a", "b"])


def test_a_hole_that_comes_twice_in_one_argument_has_one_value(tmp_path: Path) -> None:
    built = _built(tmp_path, arguments=["{{ hole.x }}:{{ hole.x }}"], holes={"x": _hole("(?:a|b(c)?)+")})
    assert host_holes(built.parsed.manifest, ["abc:abc"]) == {"x": "abc"}
    with pytest.raises(UsageError, match="does not fit"):
        host_holes(built.parsed.manifest, ["a:b"])


def test_patterns_mean_the_same_before_and_inside_the_shield(tmp_path: Path) -> None:
    """Digits of other scripts are digits to Python, and none to the shield."""
    built = _built(tmp_path, arguments=["{{ hole.x }}"], holes={"x": _hole(r"\d+")})
    assert host_holes(built.parsed.manifest, ["7"]) == {"x": "7"}
    with pytest.raises(UsageError, match="does not fit"):
        host_holes(built.parsed.manifest, ["\u0667"])
