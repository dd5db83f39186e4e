"""`__all__` is what is public: no more, no less; what is private stays in its package."""

from __future__ import annotations

import ast
import importlib

import pytest

from .conftest import MODULES, Module

LISTED = [module for module in MODULES.values() if module.declared is not None]
IMPORTED = {(where.name, *what) for where in MODULES.values() for what in where.imports if what[0] in MODULES}


def named(module: Module) -> str:
    return module.name


def test_there_is_something_to_look_at() -> None:
    assert len(LISTED) > 100
    assert ("casemate.custodian.release", "casemate.policy.decide", "decide") in IMPORTED


@pytest.mark.parametrize("module", [module for module in LISTED if module.path.name != "__main__.py"], ids=named)
def test_what_is_declared_is_there_and_said_once(module: Module) -> None:
    declared = module.declared or []
    loaded = importlib.import_module(module.name)
    assert [name for name in declared if not hasattr(loaded, name)] == []
    assert len(set(declared)) == len(declared)
    assert [name for name in declared if name.startswith("_")] == []


@pytest.mark.parametrize("module", LISTED, ids=named)
def test_a_function_or_class_without_an_underscore_is_declared(module: Module) -> None:
    public = {node.name for node in module.definitions if not node.name.startswith("_")}
    assert public - set(module.declared or []) == set()


def test_only_what_is_declared_is_imported() -> None:
    """Commands and routes are assembled by their packages as they are: those need no list."""
    undeclared = {
        (where, source, name)
        for where, source, name in IMPORTED
        if f"{source}.{name}" not in MODULES and name not in (MODULES[source].declared or [])
    }
    assembled = ("casemate.cli.", "casemate.custodian.routes.")
    assert {found for found in undeclared if MODULES[found[1]].declared or not found[1].startswith(assembled)} == set()


def test_a_private_module_is_used_in_its_own_package_only() -> None:
    """A package is a part of `casemate`: the command line shares its helpers, and nobody else sees them."""
    strangers = {
        (where, source)
        for where, source, _ in IMPORTED
        if MODULES[source].is_private and where.split(".")[:2] != source.split(".")[:2]
    }
    assert strangers == set()


def test_a_private_name_is_not_imported() -> None:
    assert {
        found for found in IMPORTED if found[2].startswith("_") and f"{found[1]}.{found[2]}" not in MODULES
    } == set()


@pytest.mark.parametrize(
    "module", [module for module in MODULES.values() if not module.is_private and module.tree.body], ids=named
)
def test_a_public_module_says_what_it_is(module: Module) -> None:
    """By its own docstring, or by that of its only function: a command's is its help."""
    public = [node for node in module.definitions if not node.name.startswith("_")]
    alone = ast.get_docstring(public[0]) if len(public) == 1 and module.declared is None else None
    assert ast.get_docstring(module.tree) or alone
