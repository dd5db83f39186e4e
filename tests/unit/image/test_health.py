"""What an image says about its health check, and what an engine is told instead."""

from __future__ import annotations

from typing import Any

import pytest

from casemate.errors import ImageRefusedError
from casemate.image.health import QUESTION, Check, is_question, read
from casemate.image.settings import Settings

SECOND = 1_000_000_000


@pytest.mark.parametrize("said", [None, {}, {"Test": None}, {"Test": []}, {"Test": ["NONE"]}, {"Interval": 5}])
def test_an_image_without_a_check_has_none(said: dict[str, Any] | None) -> None:
    assert read(said, None) is None


@pytest.mark.parametrize(
    ("test", "shell", "command"),
    [
        (["CMD", "/bin/ping", "-c", "1"], None, ["/bin/ping", "-c", "1"]),
        (["CMD-SHELL", "ping || exit 1"], None, ["/bin/sh", "-c", "ping || exit 1"]),
        (["CMD-SHELL", "ping"], ["/bin/bash", "-ec"], ["/bin/bash", "-ec", "ping"]),
    ],
)
def test_a_check_is_a_command_or_a_line_for_the_images_shell(
    test: list[str], shell: list[str] | None, command: list[str]
) -> None:
    found = read({"Test": test}, shell)
    assert found is not None
    assert list(found.command) == command


@pytest.mark.parametrize(
    "said",
    [
        {"Test": ["CMD"]},
        {"Test": ["CMD", 1]},
        {"Test": ["CMD-SHELL"]},
        {"Test": ["CMD-SHELL", "a", "b"]},
        {"Test": ["EXEC", "a"]},
        {"Test": "curl"},
        {"Test": ["CMD", "a"], "Interval": "30s"},
        {"Test": ["CMD", "a"], "Timeout": -1},
        {"Test": ["CMD", "a"], "Timeout": True},
        {"Test": ["CMD", "a"], "Retries": 1.5},
        {"Test": ["CMD", "a"], "Retries": 2**63},
    ],
)
def test_what_is_no_check_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ImageRefusedError, match="health check") as refused:
        read(said, None)
    assert refused.value.step == "image.health"


@pytest.mark.parametrize(
    ("nanoseconds", "milliseconds"),
    [(None, 30_000), (0, 30_000), (1, 1), (3 * SECOND, 3_000), (3 * SECOND + 1, 3_001), (86_400 * SECOND, 3_600_000)],
)
def test_a_check_may_take_as_long_as_the_engine_would_wait(nanoseconds: int | None, milliseconds: int) -> None:
    found = read({"Test": ["CMD", "a"], "Timeout": nanoseconds}, None)
    assert found is not None
    assert found.milliseconds == milliseconds


def test_the_engine_asks_the_shield_as_often_as_the_author_said() -> None:
    times = {"Interval": 5 * SECOND, "Timeout": SECOND, "StartPeriod": 9, "StartInterval": 7, "Retries": 2}
    found = read({"Test": ["CMD", "redis-cli", "ping"], **times, "Other": 1}, None)
    assert found is not None
    assert found.question() == {"Test": ["CMD", "/casemate/shield", "--health"], **times}
    assert is_question(found.question())


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"Test": ["CMD", "/casemate/shield"]},
        {"Test": ["CMD", "/bin/sh", "-c", "x"]},
        {"Test": ["CMD-SHELL", "/casemate/shield --health"]},
        {"Test": list(QUESTION), "Interval": 0},
        {"Test": list(QUESTION), "Interval": "1s"},
        {"Test": list(QUESTION), "More": 1},
    ],
)
def test_anything_else_is_no_question_for_the_shield(said: object) -> None:
    assert not is_question(said)


def test_the_program_of_a_check_is_looked_for_like_the_images_own() -> None:
    check = Check(["ping", "x"], {})
    made = Settings(environment={"PATH": "/one:/two"}, entrypoint=["/bin/server"], health=check)
    assert made.check_candidates() == ["/one/ping", "/two/ping"]
    assert Settings(entrypoint=["/bin/server"]).check_candidates() == []
