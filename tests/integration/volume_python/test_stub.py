"""The module's types, as crates/volume-python/casemate_native.pyi has them: what is there, under the same names."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import casemate_native

STUB = Path(__file__).parents[3] / "crates/volume-python/casemate_native.pyi"


def _declared() -> dict[str, list[str]]:
    tree = ast.parse(STUB.read_text())
    (volume,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [node for node in volume.body if isinstance(node, ast.FunctionDef)]
    return {node.name: [each.arg for each in node.args.args + node.args.kwonlyargs] for node in methods}


def test_the_stub_says_what_is_there() -> None:
    names = [name for name in vars(casemate_native.Volume) if not name.startswith("_")]
    found = {name: list(inspect.signature(getattr(casemate_native.Volume, name)).parameters) for name in names}
    assert found == _declared()
    assert [name for name in dir(casemate_native) if not name.startswith("_")] == ["Volume"]
