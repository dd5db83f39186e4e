"""What the Rust side refuses, as errors: each kind by its word, with a cure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from casemate.errors import UsageError, VolumeError
from casemate.volume.refusals import refusal

ERROR = Path(__file__).parents[3] / "crates/volume/src/error.rs"


def _words() -> list[str]:
    """Those that `Error::code` in crates/volume gives."""
    body = ERROR.read_text().partition("pub fn code(")[2].partition("\n    }\n")[0]
    return re.findall(r'=> "([a-z-]+)"', body)


@pytest.mark.parametrize("word", _words())
def test_each_refusal_says_what_to_do(word: str) -> None:
    error = refusal(word, "message")
    assert str(error) == "message"
    if word == "usage":
        assert isinstance(error, UsageError)
        return
    assert isinstance(error, VolumeError)
    assert error.step == f"volume.{word}"
    assert error.remedy or word in {"unsupported", "no-space", "rolled-back", "not-copied"}, "its message says it"


def test_words_are_found_and_an_unknown_one_is_an_error_of_the_volume() -> None:
    assert {"tampered", "rolled-back", "locked", "fenced", "host"} <= set(_words())
    assert type(refusal("new-word", "message")) is VolumeError
