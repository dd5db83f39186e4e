"""What an image says about its start."""

from __future__ import annotations

from typing import Any

import pytest

from casemate.errors import ImageRefusedError
from casemate.image.settings import DEFAULT_PATH, Settings


def settings(**said: Any) -> Settings:
    nothing: dict[str, Any] = {
        "env": [], "entrypoint": [], "cmd": ["/bin/sh"], "user": "", "working_dir": "", "volumes": []
    }  # fmt: skip
    return Settings.read(**{**nothing, **said})


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "program", "arguments"),
    [
        (["/a", "b"], ["c"], ["/a", "b"], ["c"]),
        ([], ["/a", "b", "c"], ["/a"], ["b", "c"]),
        (["/a"], [], ["/a"], []),
    ],
)
def test_entry_point_and_command_are_one_command_line(
    entrypoint: list[str], cmd: list[str], program: list[str], arguments: list[str]
) -> None:
    read = settings(entrypoint=entrypoint, cmd=cmd)
    assert (list(read.entrypoint), list(read.arguments)) == (program, arguments)


def test_an_image_without_a_program_is_refused() -> None:
    with pytest.raises(ImageRefusedError, match="no program"):
        settings(cmd=[])


@pytest.mark.parametrize(
    ("name", "working_dir", "candidates"),
    [
        ("/bin/../bin//x", "/w", ["/bin/x"]),
        ("./x", "/w", ["/w/x"]),
        ("x", "/w", ["/one/x", "/w/two/x"]),
    ],
)
def test_a_program_is_looked_for_where_an_engine_looks(name: str, working_dir: str, candidates: list[str]) -> None:
    read = settings(cmd=[name], working_dir=working_dir, env=["PATH=/one:two"])
    assert read.candidates() == candidates


def test_without_a_path_the_usual_one_is_searched() -> None:
    assert settings(cmd=["x"]).candidates() == [f"{folder}/x" for folder in DEFAULT_PATH.split(":")]


def test_the_last_value_of_a_variable_counts() -> None:
    assert settings(env=["A=1", "B==", "A=2"]).environment == {"A": "2", "B": "="}


@pytest.mark.parametrize("env", [["A"], ["=x"], [""]])
def test_what_is_no_variable_is_refused(env: list[str]) -> None:
    with pytest.raises(ImageRefusedError, match="variable"):
        settings(env=env)


def test_volumes_in_volumes_are_the_outer_ones() -> None:
    assert settings(volumes=["/data/in/", "/data", "/database", "//data"]).volumes == ["/data", "/database"]


@pytest.mark.parametrize("said", [{"working_dir": "w"}, {"volumes": ["v"]}])
def test_places_are_absolute(said: dict[str, Any]) -> None:
    with pytest.raises(ImageRefusedError, match="not absolute"):
        settings(**said)
