"""Removes each check of the release path in a copy of the tree, and sees that a test fails (`make removals`).

A check that can be deleted without a failing test is no check. They are listed by area in tests/security/removals;
arguments select entries whose names contain one of them.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["LISTS", "ROOT", "Removal", "removals"]

ROOT: Final = Path(__file__).parent.parent
LISTS: Final = ROOT / "tests" / "security" / "removals"

_COPIED: Final = ("src", "tests", "crates", "spec", "scripts", "examples", "bench", "requirements", ".cargo")
_TARGET: Final = ROOT / "target" / "removals"
"""One folder for all of them, so that only what changed is built again."""
_DEBUG: Final = "x86_64-unknown-linux-gnu/debug"
_RUST_SECONDS: Final = 900


@dataclass(frozen=True)
class Removal:
    """`old` occurs once in `file` and is replaced by `new`; then one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: list[str]

    @property
    def module(self) -> bool:
        """In the module for Python, which only tests in Python try."""
        return self.file.startswith("crates/volume-python/")

    @property
    def rust(self) -> bool:
        return self.file.endswith(".rs") and not self.module


def removals() -> list[Removal]:
    lists: list[dict[str, list[dict[str, Any]]]] = [tomllib.loads(file.read_text()) for file in sorted(LISTS.iterdir())]
    return [Removal(**entry) for listed in lists for entry in listed["removal"]]


def main() -> int:
    _adopt_orphans()
    wanted = [item for item in removals() if not sys.argv[1:] or any(word in item.name for word in sys.argv[1:])]
    with tempfile.TemporaryDirectory(prefix="casemate-removals-") as folder:
        copy = Path(folder) / "tree"
        _copy(copy)
        survivors = [item.name for item in wanted if not _noticed(item, copy)]
    sys.stdout.write(f"{len(wanted) - len(survivors)} of {len(wanted)} removals were noticed\n")
    for name in survivors:
        sys.stdout.write(f"NOT NOTICED: {name}\n")
    return 1 if survivors else 0


def _copy(target: Path) -> None:
    target.mkdir()
    for name in _COPIED:
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__", "target"))
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy2(file, target)


def _noticed(item: Removal, copy: Path) -> bool:
    path = copy / item.file
    whole = path.read_text()
    path.write_text(whole.replace(item.old, item.new, 1))
    try:
        folder = _module(item, copy) if item.module else None
        failed = _cargo_fails(item, copy) if item.rust else _pytest_fails(item, copy, folder)
    finally:
        path.write_text(whole)
        _end_orphans()
    sys.stdout.write(f"{'noticed' if failed else 'NOT NOTICED':>12}  {item.name}\n")
    sys.stdout.flush()
    return failed


def _adopt_orphans() -> None:
    """What outlives its test because a check is gone becomes a child of this process (prctl(2))."""
    set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)


def _end_orphans() -> None:
    """The test has ended: whatever is still there would spin or hold a port for ever."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while found := children.read_text().split():
        for child in map(int, found):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _pytest_fails(item: Removal, copy: Path, module: Path | None) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *item.tests]
    # What stands there comes before what is installed.
    environment = os.environ | ({"PYTHONPATH": str(module)} if module else {})
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    # 1 is "tests failed"; anything else (nothing collected, a broken file) says nothing about the check.
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{item.name}: pytest ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.returncode == 1


def _module(item: Removal, copy: Path) -> Path:
    """The folder of the module without the check; built as in the Makefile."""
    build = ["cargo", "rustc", "--quiet", "--locked", "--package", "casemate-volume-python", "--crate-type", "cdylib"]
    environment = os.environ | {"RUSTFLAGS": "-C target-feature=-crt-static"}
    if subprocess.run([*build, "--target-dir", str(_TARGET)], cwd=copy, env=environment, check=False).returncode:
        raise SystemExit(f"{item.name}: does not compile any more; write `new` so that it does")
    folder = copy / "module"
    folder.mkdir(exist_ok=True)
    shutil.copy2(_TARGET / _DEBUG / "libcasemate_native.so", folder / "casemate_native.abi3.so")
    return folder


def _cargo_fails(item: Removal, copy: Path) -> bool:
    build = ["cargo", "test", "--quiet", "--locked", "--no-run", "--target-dir", str(_TARGET), *item.tests]
    if subprocess.run(build, cwd=copy, capture_output=True, check=False).returncode:
        raise SystemExit(f"{item.name}: does not compile any more; write `new` so that it does")
    run = [argument for argument in build if argument != "--no-run"]
    done = subprocess.run(run, cwd=copy, capture_output=True, check=False, timeout=_RUST_SECONDS)
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
