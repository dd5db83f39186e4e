"""What pydantic found, as faults in words for people."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from casemate.policy._faults import Fault, Path, closest
from casemate.policy.form import DETAILED, LISTED, PINNED, RELEASED
from casemate.wire.fields import Model

__all__ = ["fill_form", "unknown_field"]

M = TypeVar("M", bound=Model)

_KEY: Final = "[key]"
"""How pydantic marks that the name of a field is wrong, not its value."""

_PATTERNS: Final = {
    r"^sha256:[0-9a-f]{64}$": '"sha256:" and 64 lower-case hex digits',
    r"^sha384:[0-9a-f]{96}$": '"sha384:" and 96 lower-case hex digits',
    r"^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96})$": '"sha384:" and 96 lower-case hex digits, or "sha256:" and 64',
    r"^ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$": (
        '"ed25519:" and 43 characters, as `casemate identity show` prints it'
    ),
    r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$": 'a name like "acme/records", in lower case',
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "lower-case letters, digits, - and _, at most 63",
    r"^[a-z][a-z0-9_]{0,62}$": "lower-case letters, digits and _, starting with a letter, at most 63",
    r"^[A-Za-z_][A-Za-z0-9_]{0,63}$": "letters, digits and _, not starting with a digit, at most 64",
    r"^0[0-7]{3}$": 'four octal digits in quotes, like "0400"',
}
_LATER: Final = frozenset({"attestation", "network", "import", "output"})
_WANTED: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "fields with values",
    "model_type": "fields with values",
    "model_attributes_type": "fields with values",
}
_REMEDIES: Final = {
    "literal_error": "write {expected}",
    "enum": "write {expected}",
    "greater_than_equal": "write at least {ge}",
    "less_than_equal": "write at most {le}",
    "too_short": "write at least {min_length}",
    "too_long": "write at most {max_length}",
}
_KINDS: Final = ((bool, "true or false"), (int, "a number"), (str, "text"), (list, "a list"), (dict, "fields"))


def fill_form(form: type[M], value: object, at: Path = ()) -> tuple[M | None, list[Fault]]:
    """`value` as a `form`, or nothing and all that is wrong with it; `at` is where `value` stands."""
    try:
        return form.model_validate(value), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return None, [_fault(form, value, at, item) for item in found]


def unknown_field(path: Path, name: str, known: list[str]) -> Fault:
    """A field that is not known, with the one that was probably meant."""
    if name in _LATER and name not in known:
        return Fault(path, f"'{name}' is not supported by this version of casemate yet", "leave it out", on_key=True)
    meant = closest(name, known)
    remedy = f"did you mean '{meant}'?" if meant else f"the fields here are {', '.join(known)}"
    return Fault(path, f"unknown field '{name}'", remedy, on_key=True)


def _fault(form: type[Model], value: object, at: Path, item: Any) -> Fault:
    kind, context = item["type"], item.get("ctx", {})
    place, on_key = _place(item["loc"], value)
    path = at + place
    if kind == "extra_forbidden":
        return unknown_field(path, str(place[-1]), _fields(form, place[:-1]))
    if kind == "missing":
        return Fault(path[:-1], f"the field '{place[-1]}' is missing", f"add '{place[-1]}: …'", on_key=True)
    got = _at(value, place)
    if kind == "string_pattern_mismatch":
        wanted = _PATTERNS.get(context["pattern"], context["pattern"])
        what = "not a valid name" if on_key else "not of the right form"
        return Fault(path, what, f"write {wanted}", on_key)
    if kind == "string_type" and isinstance(got, int):
        shown = str(got).lower() if isinstance(got, bool) else str(got)
        return Fault(path, "a number or flag where text belongs", f'write it in quotes: "{shown}"')
    if kind in _WANTED:
        return Fault(path, f"expected {_WANTED[kind]}, got {_kind(got)}", f"write {_WANTED[kind]}")
    return Fault(path, _message(kind, item["msg"], context), _remedy(kind, context), on_key)


def _message(kind: str, message: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"].args[0]) if context["error"].args else "not allowed"
    return message[:1].lower() + message[1:]


def _remedy(kind: str, context: Mapping[str, Any]) -> str | None:
    if kind == "value_error":
        # Our own checks say what to write instead as a second argument.
        return str(context["error"].args[1]) if len(context["error"].args) > 1 else None
    return _REMEDIES[kind].format(**context) if kind in _REMEDIES else None


def _place(location: tuple[str | int, ...], value: object) -> tuple[Path, bool]:
    """The part of `location` that leads through `value`: pydantic also names union branches and keys."""
    place: list[str | int] = []
    for part in location:
        if part == _KEY:
            return tuple(place), True
        here = _at(value, tuple(place))
        is_branch = part in {PINNED, RELEASED, LISTED, DETAILED} and not (isinstance(here, dict) and part in here)
        if isinstance(here, (dict, list)) and not is_branch:
            place.append(part)
    return tuple(place), False


def _at(value: object, place: Path) -> object:
    for part in place:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "nothing")


def _fields(form: type[BaseModel], place: Path) -> list[str]:
    """Names of the fields of the model that stands at `place` in `form`."""
    current: Any = form
    for part in place:
        current = _step(current, part)
    models = list(_models(current))
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def _step(annotation: Any, part: str | int) -> Any:
    for model in _models(annotation):
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                return field.annotation
    container = list if isinstance(part, int) else dict
    inner = (typing.get_args(one)[-1] for one in _branches(annotation) if typing.get_origin(one) is container)
    return next(inner, None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for branch in _branches(annotation):
        if isinstance(branch, type) and issubclass(branch, BaseModel):
            yield branch


def _branches(annotation: Any) -> Iterator[Any]:
    """The annotation itself, or those of a union."""
    annotation = _bare(annotation)
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        for argument in typing.get_args(annotation):
            yield from _branches(argument)
    else:
        yield annotation


def _bare(annotation: Any) -> Any:
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation
