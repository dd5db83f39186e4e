"""What `make release` writes, and when it writes nothing. That two builds are one file is seen by running it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import release
from scripts.release import ROOT, ReleaseError, same
from scripts.sbom import bill_of_materials

pytestmark = pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo")


def bill(commit: str = "c") -> bytes:
    return bill_of_materials(ROOT, "casemate-shield", commit=commit, committed=1_764_000_000)


def test_the_bill_names_what_is_built_in_and_nothing_that_only_tests_need() -> None:
    said = json.loads(bill())
    names = {one["name"] for one in said["components"]}
    assert (said["bomFormat"], said["metadata"]["component"]["name"]) == ("CycloneDX", "casemate-shield")
    assert {"aws-lc-sys", "rustix", "serde_json", "casemate-sys", "casemate-volume"} <= names
    assert not {"proptest", "tempfile", "casemate-testing", "pyo3"} & names
    by_name = {one["name"]: one for one in said["components"]}
    assert len(by_name["rustix"]["hashes"][0]["content"]) == 64
    assert all(one.get("licenses") for one in said["components"])
    shield = next(one for one in said["dependencies"] if one["ref"].startswith("pkg:cargo/casemate-shield@"))
    assert any(name.startswith("pkg:cargo/casemate-custodian-client@") for name in shield["dependsOn"])


def test_the_same_commit_gives_the_same_bill() -> None:
    assert bill() == bill()
    assert bill("d") != bill()


def test_builds_that_differ_are_no_release(tmp_path: Path) -> None:
    for name, content in (("one", b"x"), ("other", b"x"), ("third", b"y")):
        (tmp_path / name).write_bytes(content)
    assert len(same(tmp_path / "one", tmp_path / "other")) == 64
    with pytest.raises(ReleaseError, match="differ"):
        same(tmp_path / "one", tmp_path / "third")


def test_a_tree_with_changes_is_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "changed").write_text("x")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    assert release.main(["--out", str(tmp_path / "dist")]) == 1
    assert "the tree has changes" in capsys.readouterr().out
    assert not (tmp_path / "dist").exists()
