"""The kinds of secrets that there are. One line a kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from casemate.errors import SecretError
from casemate.secrets.kind import Kind
from casemate.secrets.kinds import private_key, random, value, volume_key, x509, x509_ca
from casemate.wire.secrets import SecretSchemas

__all__ = ["KINDS", "SCHEMAS", "kind"]

_ALL: Final[tuple[Kind, ...]] = (
    random.KIND,
    value.KIND,
    private_key.KIND,
    x509_ca.KIND,
    x509.KIND,
    volume_key.KIND,
)

KINDS: Final[Mapping[str, Kind]] = {item.schema.kind: item for item in _ALL}
SCHEMAS: Final[SecretSchemas] = {item.schema.kind: item.schema for item in _ALL}


def kind(name: str) -> Kind:
    try:
        return KINDS[name]
    except KeyError as error:
        raise SecretError(f"no kind of secret {name}", step="secrets.kind", expected=", ".join(KINDS)) from error
