"""Sealed volumes in this process: no mount, no root, no /dev/fuse."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import casemate
from casemate.volume import Volume

SIZE = 64 << 20
ENDS_WITHIN = 120
"""Seconds after which a process hangs, by far."""


@dataclass(frozen=True)
class Sealed:
    """A volume in `folder`; key and anchor beside it, where no attacker comes."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "V"

    @property
    def named(self) -> dict[str, Any]:
        """Key and anchor as the methods of `Volume` want them."""
        return {"key_file": self.root / "K", "anchor": f"file:{self.root / 'A'}"}

    @property
    def options(self) -> dict[str, str]:
        """Options of fsspec, for reading."""
        return {
            "volume": str(self.folder),
            "key_file": str(self.root / "K"),
            "anchor": f"file:{self.root / 'A'}",
        }

    @property
    def writing_options(self) -> dict[str, str]:
        return {**self.options, "access": "write"}

    def write(self) -> Volume:
        return Volume.open_writing(self.folder, **self.named)

    def read(self) -> Volume:
        return Volume.open_reading(self.folder, **self.named)


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    """A volume that exists and that nobody has open."""
    made = Sealed(tmp_path)
    Volume.create(made.folder, size=SIZE, **made.named)
    return made


@pytest.fixture
def volume(sealed: Sealed) -> Iterator[Volume]:
    """It, open for writing."""
    with sealed.write() as opened:
        yield opened


def command(sealed: Sealed, code: str) -> list[str]:
    """Another Python that runs `code`, which has `sealed`."""
    lines = [
        "import sys",
        "from pathlib import Path",
        "from tests.integration.volume_python.conftest import Sealed",
        "sealed = Sealed(Path(sys.argv[1]))",
        code,
    ]
    return [sys.executable, "-c", "\n".join(lines), str(sealed.root)]


def environment() -> dict[str, str]:
    """In which another Python has the same `casemate` as this one."""
    places = [str(Path(casemate.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}


def python(sealed: Sealed, code: str) -> str:
    """What another Python prints. One that hangs fails."""
    done = subprocess.run(
        command(sealed, code), env=environment(), capture_output=True, text=True, timeout=ENDS_WITHIN, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
