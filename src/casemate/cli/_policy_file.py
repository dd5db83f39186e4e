"""Changing a policy file for its author: values put in their places, secrets sealed to the custodian beside it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from casemate.cli._files import read_bytes, read_table, replace_text
from casemate.client import values
from casemate.errors import UsageError
from casemate.policy import edit, source
from casemate.secrets.catalogue import SCHEMAS
from casemate.wire.fields import b64u_encode
from casemate.wire.policies import PolicyGenesis

__all__ = ["SEALED_REMEDY", "Brought", "PolicyFile", "keep_sealed", "kept_sealed"]

SEALED_REMEDY: Final = "make it with: casemate policy seal"
_LONGEST_NAME: Final = 63


@dataclass(frozen=True)
class Brought:
    """A secret that its owner brings; `kind` is `value` or `volume-key`."""

    kind: str
    value: bytes = field(repr=False)


@dataclass(frozen=True)
class PolicyFile:
    """A file, or `text` that is to become one. Nothing is written before `save`."""

    path: Path
    genesis: PolicyGenesis
    text: str
    document: Mapping[str, Any]
    """As it was read."""

    @classmethod
    def opened(cls, path: Path, genesis: PolicyGenesis, *, otherwise: str | None = None) -> PolicyFile:
        """What is there, or `otherwise`. Errors: UsageError, also for a version of another policy."""
        is_new = otherwise is not None and not path.exists()
        text = str(otherwise) if is_new else read_bytes(path).decode("utf-8", "replace")
        try:
            document = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError) as error:
            raise UsageError(f"{path} is no YAML", remedy=f"see: casemate policy check {path}") from error
        if not isinstance(document, dict) or document.get("genesis") != genesis.identity():
            raise UsageError(
                f"{path} is not a version of {genesis.policy}", expected=genesis.identity(), remedy="name another file"
            )
        return cls(path, genesis, text, document)

    def service(self, name: str) -> Mapping[str, Any]:
        """What the file says of a service; nothing where it does not name it."""
        services = self.document.get("services")
        found = services.get(name) if isinstance(services, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def secrets(self) -> Mapping[str, Any]:
        found = self.document.get("secrets")
        return found if isinstance(found, dict) else {}

    def secret_for(self, service: str, field: str, member: str, otherwise: str) -> str:
        """The secret that the service names in `field: {member: …}`, or an unused name like `otherwise`: each service
        has keys of its own.
        """
        said = self.service(service).get(field)
        named = said.get(member) if isinstance(said, dict) else None
        return named if isinstance(named, str) else _unused(otherwise, self.secrets)

    def save(
        self,
        edits: list[tuple[tuple[str, ...], Any]],
        brought: Mapping[str, Brought],
        *,
        custodian: str,
        sealing_key: str,
    ) -> Path | None:
        """Writes the file with `edits` (path, value); the file of newly sealed secrets, where there are some.

        A secret that the policy has stays what it is: the custodian keeps it until it is rotated. What is sealed is
        written first: a commitment without its value would be a secret that nobody can bring.
        Errors: UsageError, PolicyError.
        """
        text = self.text
        for path, value in edits:
            text = edit.put(text, path, value)
        kept: dict[str, str] = {}
        for name, secret in brought.items():
            if name in self.secrets:
                continue
            sealed = values.seal_value(
                secret.value, name=name, custodian=custodian, genesis=self.genesis.identity(), sealing_key=sealing_key
            )
            text = edit.put(text, ("secrets", name), {"kind": secret.kind, "commitment": sealed.commitment})
            kept[name] = b64u_encode(sealed.sealed)
        source.load(text, SCHEMAS)
        sealed_file = self._keep(kept)
        _replace(self.path, text)
        return sealed_file

    def _keep(self, sealed: Mapping[str, str]) -> Path | None:
        if not sealed:
            return None
        path = self.path.with_name(f"{self.path.stem}.sealed.json")
        keep_sealed(path, {**kept_sealed(path), **sealed})
        return path


def kept_sealed(path: Path) -> dict[str, Any]:
    """Sealed values that wait to be submitted, by secret; none where there is no file. Errors: UsageError."""
    return read_table(path, what="a file of sealed values", remedy=SEALED_REMEDY) if path.exists() else {}


def keep_sealed(path: Path, sealed: Mapping[str, Any]) -> None:
    """Errors: UsageError."""
    _replace(path, json.dumps(sealed, indent=1, sort_keys=True) + "\n")


def _replace(path: Path, text: str) -> None:
    try:
        path.touch(exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    replace_text(path, text)


def _unused(name: str, secrets: Mapping[str, Any]) -> str:
    """`name`, or one like it that no secret has."""
    numbers = (f"_{number}" for number in itertools.count(2))
    names = (f"{name[: _LONGEST_NAME - len(suffix)]}{suffix}" for suffix in itertools.chain([""], numbers))
    return next(free for free in names if free not in secrets)
