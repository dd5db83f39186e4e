"""The custodian's kind of closure: an interpreter and packages, the same on every build."""

from __future__ import annotations

import subprocess
from pathlib import Path

from casemate.manifest import python
from casemate.manifest.root import Root


def test_building_twice_gives_the_same_root(tmp_path: Path) -> None:
    first, second = Root(), Root()
    python.add_python(first, packages=["rfc8785"], cache=tmp_path / "one")
    python.add_python(second, packages=["rfc8785"], cache=tmp_path / "two")
    assert first.sorted_entries() == second.sorted_entries()


def test_requirements_of_requirements_come_along() -> None:
    assert {"fastapi", "starlette", "anyio", "pydantic-core"} <= set(python.distribution_closure(["fastapi"]))


def test_the_collected_files_run_by_themselves(tmp_path: Path) -> None:
    root = Root()
    python.add_python(root, packages=["rfc8785"], cache=tmp_path / "cache")
    prefix = tmp_path / "root"
    for path, source in root.sources.items():
        target = prefix / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source) if path.endswith(".so") else target.write_bytes(Path(source).read_bytes())
    program = prefix / python.program()[1:]
    program.chmod(0o755)
    home = prefix / python.PREFIX[1:]
    done = subprocess.run(
        [program, "-s", "-S", "-P", "-c", "import rfc8785, ssl, json; print(rfc8785.__file__)"],
        env={"PYTHONHOME": str(home), "PYTHONPATH": str(home / "packages"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(home / "packages" / "rfc8785" / "__init__.py")
