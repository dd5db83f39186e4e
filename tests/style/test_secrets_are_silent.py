"""No type of the product prints a secret: fields that hold one are left out of `repr`."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from .conftest import MODULES

SECRET = re.compile(r"(^|_)(key|secret|secrets|material|content|plaintext|master|seed|private|password|value|holes)$")
"""Names under which secrets travel. A field with such a name and these types is hidden, or listed below."""

HOLDS = re.compile(r"\b[Bb]ytes(16|32)?\b")
"""Private keys of the library print as objects without content."""

PUBLIC = {
    "casemate.attestation.platforms.nitro.document.Document.public_key": "what its name says, and evidence",
    "casemate.custodian.store.interface.Row.value": "ciphertext: the store is not trusted",
    "casemate.custodian.store.interface.Write.value": "ciphertext: the store is not trusted",
}
TEXTS = {"casemate.wire.release.Configuration.holes", "casemate.wire.release.ConfiguredFile.content"}
"""Secrets that are text, or whose type has another name."""


def fields() -> Iterator[tuple[str, str, str, bool]]:
    """(whole name, name, type, whether it is printed) of every field of every dataclass and model."""
    for module in MODULES.values():
        if module.path.name == "__main__.py":
            continue
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and found.__module__ == module.name:
                yield from ((f"{module.name}.{found.__qualname__}.{name}", name, *rest) for name, *rest in _of(found))


def _of(found: type[Any]) -> Iterator[tuple[str, str, bool]]:
    if issubclass(found, BaseModel):
        for name, info in found.model_fields.items():
            yield name, str(found.__annotations__.get(name, "")), info.repr
    elif dataclasses.is_dataclass(found):
        # The one that a dataclass writes for itself; a class with its own decides for itself.
        prints = hasattr(vars(found).get("__repr__"), "__wrapped__")
        for item in dataclasses.fields(found):
            yield item.name, str(item.type), item.repr and prints


def _holds(kind: str) -> bool:
    return bool(HOLDS.search(kind)) and "Callable" not in kind


FIELDS = list(fields())


def test_fields_are_found() -> None:
    assert len(FIELDS) > 200
    assert "casemate.secrets.keyring.StoredSecret.material" in {whole for whole, *_ in FIELDS}


@pytest.mark.parametrize("whole", sorted(TEXTS))
def test_texts_that_are_secrets_are_not_printed(whole: str) -> None:
    assert [printed for found, _, _, printed in FIELDS if found == whole] == [False]


def test_bytes_and_keys_with_the_name_of_a_secret_are_not_printed() -> None:
    printed = {whole for whole, name, kind, shown in FIELDS if shown and SECRET.search(name) and _holds(kind)}
    assert printed - set(PUBLIC) == set()


def test_what_is_listed_as_public_is_there() -> None:
    assert set(PUBLIC) <= {whole for whole, *_ in FIELDS}
