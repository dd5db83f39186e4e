"""Things that hold for the whole tree: small functions, nothing unfinished, vectors that both languages read."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from .conftest import MODULES, ROOT

LONGEST_FUNCTION, LONGEST_FILE = 60, 600
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK|TBD)\b|unimplemented!|todo!\(|NotImplementedError")
VECTORS = sorted((ROOT / "spec/vectors").glob("*.json"))


def sources(*patterns: str) -> list[Path]:
    folders = ("src", "crates", "scripts", "bench", "examples", "tests")
    return [path for folder in folders for pattern in patterns for path in sorted((ROOT / folder).rglob(pattern))]


def test_functions_and_files_are_small() -> None:
    long = {
        f"{module.name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module in MODULES.values()
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {name: lines for name, lines in long.items() if lines >= LONGEST_FUNCTION} == {}
    files = {str(path): path.read_text().count("\n") for path in sources("*.py", "*.rs")}
    assert {name: lines for name, lines in files.items() if lines > LONGEST_FILE} == {}


def test_nothing_is_unfinished() -> None:
    own = Path(__file__)
    found = [str(path) for path in sources("*.py", "*.rs") if path != own and UNFINISHED.search(path.read_text())]
    assert found == []


def test_vectors_that_the_specification_names_are_there() -> None:
    prose = "".join(path.read_text() for path in sorted((ROOT / "spec").glob("*.md")))
    named = set(re.findall(r"vectors/([a-z-]+)\.json", prose))
    assert named
    assert named <= {path.stem for path in VECTORS}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_both_languages_read_each_vector(vector: Path) -> None:
    python = "".join(path.read_text() for path in sorted((ROOT / "tests").rglob("*.py")))
    rust = "".join(path.read_text() for path in sorted((ROOT / "crates").rglob("*.rs")))
    assert f'vectors("{vector.stem}")' in python
    assert f"{vector.stem}.json" in rust or f'file!("{vector.stem}")' in rust


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_each_vector_says_what_it_is_and_has_cases(vector: Path) -> None:
    value = json.loads(vector.read_text())
    assert value["about"]
    assert any(isinstance(entry, (list, dict)) and len(entry) >= 2 for entry in value.values())


def test_names_of_vectors_are_one_each() -> None:
    for vector in VECTORS:
        for name, cases in json.loads(vector.read_text()).items():
            names = (
                [case["name"] for case in cases if isinstance(case, dict) and "name" in case]
                if isinstance(cases, list)
                else []
            )
            assert len(set(names)) == len(names), f"{vector.stem}.{name}"
