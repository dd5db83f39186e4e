"""A C program with a makefile on a sealed volume: what is built runs, and make believes the times of files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import Sealed, program

UNITS = 12
MAKEFILE = """\
CFLAGS = -O1 -Wall -Werror -MMD -MP
objects = $(patsubst %.c,%.o,$(wildcard *.c))
program: $(objects) library.a
\t$(CC) -o $@ $(objects) library.a
library.a: part/one.o part/two.o
\t$(AR) rcs $@ $^
-include $(wildcard *.d part/*.d)
"""


@pytest.fixture
def project(sealed: Sealed) -> Path:
    program("make")
    program("cc")
    sealed.mount()
    folder = sealed.mountpoint / "project"
    (folder / "part").mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE)
    declared = "".join(f"int unit_{number}(void);\n" for number in range(UNITS))
    (folder / "units.h").write_text(f"#pragma once\n{declared}int one(void);\nint two(void);\n")
    for number in range(UNITS):
        (folder / f"unit_{number}.h").write_text(f"#define VALUE {number}\n")
        source = f'#include "units.h"\n#include "unit_{number}.h"\nint unit_{number}(void) {{ return VALUE; }}\n'
        (folder / f"unit_{number}.c").write_text(source)
    for name, value in (("one", 100), ("two", 200)):
        (folder / "part" / f"{name}.c").write_text(f"int {name}(void) {{ return {value}; }}\n")
    calls = " + ".join(f"unit_{number}()" for number in range(UNITS))
    main = f'#include <stdio.h>\n#include "units.h"\nint main(void) {{ printf("%d", one() + two() + {calls}); }}\n'
    (folder / "main.c").write_text(main)
    return folder


def _make(folder: Path, *arguments: str) -> str:
    line = ["make", "--jobs=2", *arguments]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _run(folder: Path) -> int:
    return int(subprocess.run([folder / "program"], capture_output=True, text=True, check=True).stdout)


def test_what_is_built_runs_and_is_built_once(sealed: Sealed, project: Path) -> None:
    assert _make(project).count("-c -o") == UNITS + 3
    assert _run(project) == 300 + sum(range(UNITS))
    assert "up to date" in _make(project)
    assert sealed.unmount().returncode == 0
    sealed.mount()
    assert "up to date" in _make(project)
    assert _run(project) == 300 + sum(range(UNITS))


def test_only_what_depends_on_a_change_is_built_again(project: Path) -> None:
    _make(project)
    (project / "unit_3.h").write_text("#define VALUE 1003\n")
    compiled = [line for line in _make(project).splitlines() if "-c -o" in line]
    assert [line.split()[-1] for line in compiled] == ["unit_3.c"]
    assert _run(project) == 1300 + sum(range(UNITS))
    os.utime(project / "units.h")
    assert _make(project).count("-c -o") == UNITS + 1


def test_times_have_nanoseconds_that_make_can_compare(project: Path) -> None:
    _make(project)
    newer = (project / "program").stat().st_mtime_ns
    os.utime(project / "main.o", ns=(newer, newer + 1))
    assert "-o program" in _make(project)
    os.utime(project / "main.o", ns=(newer, newer))
    assert "up to date" in _make(project)
