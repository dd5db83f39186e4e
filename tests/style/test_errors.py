"""The tree of errors: drawn as it is, one exit code and one code each, nothing that a person could not act on."""

from __future__ import annotations

import inspect
import re

import pytest

from casemate import errors
from casemate.errors import (
    CasemateError,
    CompareFailedError,
    PolicySyntaxError,
    RefusedError,
)

from .conftest import ROOT

TREE = [getattr(errors, name) for name in errors.__all__]


def drawn() -> dict[str, tuple[str | None, int]]:
    """Name → (name of its parent, exit code), as the docstring of the module draws them."""
    parents: list[str] = []
    found: dict[str, tuple[str | None, int]] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^(?P<branch>[ │├└─]*)(?P<name>[A-Za-z]+Error) +(?P<code>[0-9]+)", line)
        if match is None:
            continue
        depth = max(len(match["branch"]) - 4, 0) // 4 + (1 if "──" in match["branch"] else 0) - 1
        depth = max(depth, 0) if found else 0
        del parents[depth:]
        found[match["name"]] = (parents[-1] if parents else None, int(match["code"]))
        parents.append(match["name"])
    return found


def actual() -> dict[str, tuple[str | None, int]]:
    return {
        item.__name__: (None if item is CasemateError else item.__bases__[0].__name__, item.exit_code) for item in TREE
    }


def test_the_tree_is_drawn_as_it_is() -> None:
    assert drawn() == actual()


def test_every_error_is_public_and_in_the_tree() -> None:
    defined = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert defined == set(errors.__all__)
    assert all(issubclass(item, CasemateError) for item in TREE)


def test_exit_codes_and_codes_are_one_each() -> None:
    assert len({item.exit_code for item in TREE}) == len(TREE)
    assert len({item.code for item in TREE}) == len(TREE)


@pytest.mark.parametrize("item", TREE, ids=lambda item: item.__name__)
def test_codes_say_where_they_stand_in_the_tree(item: type[CasemateError]) -> None:
    parent = item.__bases__[0]
    assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", item.code)
    assert 1 <= item.exit_code < 126, "126 and above mean something to shells"
    if parent not in {CasemateError, Exception}:
        assert item.code.startswith(f"{parent.code}.")
        assert item.exit_code // 10 == parent.exit_code // 10


def test_exit_codes_of_the_specification_are_those_of_the_tree() -> None:
    rows = re.findall(r"^\| ([0-9]+) \| `([a-z_.]+)` \|$", (ROOT / "spec/exit-codes.md").read_text(), re.MULTILINE)
    assert [(int(number), code) for number, code in rows] == sorted((item.exit_code, item.code) for item in TREE)


def test_diagnostics_hold_what_is_known_and_nothing_else() -> None:
    assert CasemateError("m").diagnostics() == {"code": "error", "message": "m"}
    whole = CasemateError("m", step="s", expected="e", got="g", remedy="r")
    assert list(whole.diagnostics().items()) == [
        ("code", "error"), ("message", "m"), ("step", "s"), ("expected", "e"), ("got", "g"), ("remedy", "r"),
    ]  # fmt: skip
    assert str(whole) == "m"


def test_a_syntax_error_says_where() -> None:
    told = PolicySyntaxError("m", line=3, column=7, remedy="r").diagnostics()
    assert (told["line"], told["column"], told["code"], told["step"]) == ("3", "7", "policy.syntax", "policy.syntax")


def test_a_refusal_names_its_problem_and_decision() -> None:
    told = RefusedError("m", problem="policy.denied", status=403, decision="ab").diagnostics()
    assert (told["problem"], told["decision"]) == ("policy.denied", "ab")
    assert "decision" not in RefusedError("m", problem="p", status=429).diagnostics()


def test_a_lost_race_names_the_key() -> None:
    assert CompareFailedError("policies/x").diagnostics()["got"] == "policies/x"
