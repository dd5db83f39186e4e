"""What is made of the words of `casemate-image`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from casemate.errors import ImageError, UsageError
from casemate.image.tool import Image, Tool

REPORT = Path(__file__).parents[3] / "crates/image-tool/src/report.rs"


def program(folder: Path, *lines: str) -> Tool:
    """One that says these lines and ends."""
    path = folder / "program"
    path.write_text("#!/bin/sh\ncat > /dev/null\n" + "".join(f"echo '{line}'\n" for line in lines))
    path.chmod(0o700)
    return Tool(path)


def words() -> list[str]:
    return sorted(set(re.findall(r'(?:=> |new\()"([a-z]+)"', REPORT.read_text())) | {"silent", "usage"})


def test_words_are_found() -> None:
    assert {"archive", "refused", "limit", "tampered", "host"} <= set(words())


@pytest.mark.parametrize("word", words())
def test_each_refusal_says_what_to_do(tmp_path: Path, word: str) -> None:
    tool = program(tmp_path, f'{{"error":{{"code":"{word}","message":"why"}}}}')
    with pytest.raises((ImageError, UsageError), match="why") as caught:
        tool.verify(Image([], None))
    if word != "usage":
        assert caught.value.step == f"image.{word}"
        assert caught.value.remedy or word == "limit", "its message says it"


def test_entries_are_told_and_are_no_result(tmp_path: Path) -> None:
    told: list[str] = []
    tool = program(tmp_path, '{"entry":{"path":"a"}}', '{"entry":{"path":"b"}}', '{"result":{"entries":2}}')
    tool.list(Image([], None), lambda entry: told.append(entry["path"]), digests=False)
    assert told == ["a", "b"]


def test_a_list_that_was_cut_off_is_none(tmp_path: Path) -> None:
    tool = program(tmp_path, '{"entry":{"path":"a"}}', '{"progress":{"done":1,"total":2}}')
    with pytest.raises(ImageError, match="ended without a word"):
        tool.list(Image([], None), lambda _: None, digests=False)
