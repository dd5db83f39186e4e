"""What is made of the words of `casemate-volume`, and of its silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from casemate.errors import VolumeError
from casemate.volume import tool

PROGRESS = '{"progress":{"done":1,"total":2}}'


def program(folder: Path, *lines: str) -> Path:
    """One that says these lines and ends."""
    path = folder / "program"
    said = "".join(f"echo '{line}'\n" for line in lines)
    path.write_text(f"#!/bin/sh\ncat > /dev/null\n{said}")
    path.chmod(0o700)
    return path


def test_the_last_line_is_the_result_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    says = program(tmp_path, PROGRESS, '{"result":{"files":3}}')
    assert tool.ask(says, {}, lambda done, total: told.append((done, total))) == {"files": 3}
    assert told == [(1, 2)]


def test_an_error_is_raised(tmp_path: Path) -> None:
    says = program(tmp_path, PROGRESS, '{"error":{"code":"tampered","message":"why"}}')
    with pytest.raises(VolumeError, match="why") as caught:
        tool.ask(says, {})
    assert caught.value.step == "volume.tampered"


@pytest.mark.parametrize("lines", [(), (PROGRESS,), ('{"result":{}}', PROGRESS)])
def test_a_program_that_was_killed_did_not_succeed(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(VolumeError, match="ended without a word"):
        tool.ask(program(tmp_path, *lines), {})
