"""The `secrets` of a document, judged by the schemas of their kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from casemate.policy._explain import fill_form
from casemate.policy._faults import Fault, Path, closest
from casemate.wire.fields import Model
from casemate.wire.secrets import SecretSchema, SecretSchemas

__all__ = ["MAX_ROTATE", "read_secrets"]

MAX_ROTATE: Final = 2**31 - 1
"""Only grows, by hand."""


def read_secrets(value: object, schemas: SecretSchemas) -> tuple[dict[str, Model], list[Fault]]:
    """The specs that are right by themselves, and everything that is wrong with the others and between them."""
    specs: dict[str, Model] = {}
    faults: list[Fault] = []
    kinds: dict[str, str] = {}
    for name, entry in value.items() if isinstance(value, dict) else ():
        path: Path = ("secrets", name)
        if not isinstance(entry, dict):
            continue  # the form of the document says so
        schema, found = _schema(entry, path, schemas)
        faults += found
        if schema is None:
            continue
        kinds[name] = schema.kind
        spec, found = _spec(schema, entry, path)
        faults += found
        if spec is not None:
            specs[name] = spec
    faults += _issuer_faults(specs, kinds, schemas)
    return specs, faults


def _schema(entry: dict[str, Any], path: Path, schemas: SecretSchemas) -> tuple[SecretSchema | None, list[Fault]]:
    kind = entry.get("kind")
    listed = ", ".join(schemas)
    if kind is None:
        return None, [Fault(path, "the field 'kind' is missing", f"the kinds are {listed}", on_key=True)]
    if isinstance(kind, str) and kind in schemas:
        return schemas[kind], []
    meant = closest(kind, schemas) if isinstance(kind, str) else None
    remedy = f"did you mean '{meant}'?" if meant else f"the kinds are {listed}"
    return None, [Fault((*path, "kind"), "there is no such kind of secret", remedy)]


def _spec(schema: SecretSchema, entry: dict[str, Any], path: Path) -> tuple[Model | None, list[Fault]]:
    """`kind` and `rotate` belong to every kind; a plug-in's model may hold them or leave them to us."""
    faults = _rotate_faults(entry, path)
    own = {
        name: value
        for name, value in entry.items()
        if name not in {"kind", "rotate"} or name in schema.spec.model_fields
    }
    spec, found = fill_form(schema.spec, own, path)
    # A bad `rotate` is told once, whoever holds the field.
    faults += [fault for fault in found if not (faults and fault.path == (*path, "rotate"))]
    return (None if faults else spec), faults


def _rotate_faults(entry: dict[str, Any], path: Path) -> list[Fault]:
    rotate = entry.get("rotate", 0)
    if isinstance(rotate, bool) or not isinstance(rotate, int) or not 0 <= rotate <= MAX_ROTATE:
        return [Fault((*path, "rotate"), "not a whole number from 0 up", "write rotate: 1 to make it anew once")]
    return []


def _issuer_faults(specs: Mapping[str, Model], kinds: Mapping[str, str], schemas: SecretSchemas) -> list[Fault]:
    issuers = {name: schemas[kinds[name]].issuer(spec) for name, spec in specs.items()}
    faults = []
    for name, wanted in issuers.items():
        if wanted is None:
            continue
        issuer, kind = wanted
        path: Path = ("secrets", name, "issuer")
        if issuer not in kinds:
            suitable = [other for other in kinds if kinds[other] == kind]
            meant = closest(issuer, suitable) or (suitable[0] if suitable else None)
            remedy = f"did you mean '{meant}'?" if meant else f"add a secret of kind {kind}"
            faults.append(Fault(path, f"there is no secret '{issuer}'", remedy))
        elif kinds[issuer] != kind:
            message = f"'{issuer}' is of kind {kinds[issuer]}, which issues nothing here"
            faults.append(Fault(path, message, f"name a secret of kind {kind}"))
        elif _cycle(name, issuers):
            faults.append(Fault(path, "the issuers go round in a circle", "end the chain in one that issues itself"))
    return faults


def _cycle(start: str, issuers: Mapping[str, tuple[str, str] | None]) -> bool:
    """Whether following issuers from `start` comes back to it."""
    seen: set[str] = set()
    name = start
    while name not in seen:
        seen.add(name)
        wanted = issuers.get(name)
        if wanted is None:
            return False
        name = wanted[0]
    return name == start
