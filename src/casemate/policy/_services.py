"""Services: from how they are written to what they mean, templates parsed and their secrets found."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from casemate.errors import TemplateError
from casemate.policy._faults import Fault, Path, closest
from casemate.policy._platforms import platform_faults, runtime_faults
from casemate.policy.templates import SecretReference, Template
from casemate.wire.manifest import is_loader_variable
from casemate.wire.secrets import SecretSchema

__all__ = ["MAX_HOLE_BYTES", "is_confidential", "service_faults"]

KEY_KIND: Final = "volume-key"
_KEYS: Final = (("image", "key", "of an image"), ("output", "sealed", "of sealed output"))
"""Fields of a service that name a key: the field, the member that names it, what it is to people."""
MAX_HOLE_BYTES: Final = 4096
"""spec/manifest.md, "Holes"."""


def is_confidential(reference: SecretReference, kinds: Mapping[str, SecretSchema]) -> bool:
    """Whether the part that is named must stay secret; both secret and part exist."""
    parts = kinds[reference.name].parts
    return parts[reference.part or next(iter(parts))]


def service_faults(value: object, kinds: Mapping[str, SecretSchema | None], brought: Collection[str]) -> list[Fault]:
    """All that is wrong with `services`; `kinds` are the secrets of the document, nothing for a broken one, `brought`
    those that their owner made.
    """
    faults: list[Fault] = []
    for name, service in value.items() if isinstance(value, dict) else ():
        if not isinstance(service, dict):
            continue  # the form of the document says so
        path: Path = ("services", name)
        faults += platform_faults(service.get("platforms"), (*path, "platforms"))
        faults += runtime_faults(service.get("runtime"), service.get("platforms"), (*path, "runtime"))
        for field, member, what in _KEYS:
            faults += _key_faults(service.get(field), (*path, field, member), kinds, what)
        faults += _reader_faults(service.get("output"), (*path, "output", "sealed"), kinds, brought)
        faults += _hole_faults(service, path, kinds)
        faults += _file_faults(service.get("files"), (*path, "files"), kinds)
    return faults


def _key_faults(value: object, path: Path, kinds: Mapping[str, SecretSchema | None], what: str) -> list[Fault]:
    """A key is a secret that can be one: 32 bytes, not text that somebody chose."""
    name = value.get(path[-1]) if isinstance(value, dict) else None
    if not isinstance(name, str):
        return []
    if name not in kinds:
        suitable = [other for other, schema in kinds.items() if schema is not None and schema.kind == KEY_KIND]
        meant = closest(name, suitable) or (suitable[0] if suitable else None)
        remedy = f"did you mean '{meant}'?" if meant else f"add a secret of kind {KEY_KIND}"
        return [Fault(path, f"there is no secret '{name}'", remedy)]
    schema = kinds[name]
    if schema is None or schema.kind == KEY_KIND:
        return []
    message = f"'{name}' is of kind {schema.kind}, and no key {what}"
    return [Fault(path, message, f"name a secret of kind {KEY_KIND}")]


def _reader_faults(
    value: object, path: Path, kinds: Mapping[str, SecretSchema | None], brought: Collection[str]
) -> list[Fault]:
    """Output under a key that the custodian made would be output that nobody can read, ever."""
    name = value.get("sealed") if isinstance(value, dict) else None
    schema = kinds.get(name) if isinstance(name, str) else None
    if schema is None or schema.kind != KEY_KIND or name in brought:
        return []
    message = f"nobody has the key '{name}': the custodian would make it"
    return [Fault(path, message, "let `casemate output seal` make it, with a commitment in the policy")]


def _hole_faults(service: dict[str, Any], path: Path, kinds: Mapping[str, SecretSchema | None]) -> list[Fault]:
    faults: list[Fault] = []
    holes = service.get("holes")
    for field in ("holes", "environment"):
        values = service.get(field)
        for name, text in values.items() if isinstance(values, dict) else ():
            here = (*path, field, name)
            faults += _template_faults(text, here, kinds, limit=MAX_HOLE_BYTES)
            if field == "environment" and is_loader_variable(name):
                message = f"{name} steers loaders and interpreters, so it is never filled from outside"
                faults.append(Fault(here, message, "set it in the launch manifest", on_key=True))
            if field == "environment" and isinstance(holes, dict) and name in holes:
                message = f"'{name}' is filled under 'holes' too"
                faults.append(Fault(here, message, "keep one of the two", on_key=True))
    return faults


def _file_faults(value: object, path: Path, kinds: Mapping[str, SecretSchema | None]) -> list[Fault]:
    faults: list[Fault] = []
    for name, file in value.items() if isinstance(value, dict) else ():
        if isinstance(file, dict):
            faults += _template_faults(file.get("content"), (*path, name, "content"), kinds, limit=None)
    return faults


def _template_faults(
    text: object, path: Path, kinds: Mapping[str, SecretSchema | None], *, limit: int | None
) -> list[Fault]:
    if not isinstance(text, str):
        return []
    try:
        template = Template.parse(text)
    except TemplateError as error:
        return [Fault(path, f"{error.message}: {error.got}", error.remedy)]
    faults = [fault for reference in template.references for fault in _reference_faults(reference, path, kinds)]
    literal = "".join(piece for piece in template.pieces if isinstance(piece, str))
    if limit is not None and len(literal.encode()) > limit:
        faults.append(Fault(path, f"a value of a hole has at most {limit} bytes", "use a file"))
    if limit is not None and "\0" in literal:
        faults.append(Fault(path, "a value of a hole holds no NUL", "leave it out"))
    return faults


def _reference_faults(reference: SecretReference, path: Path, kinds: Mapping[str, SecretSchema | None]) -> list[Fault]:
    if reference.name not in kinds:
        meant = closest(reference.name, kinds)
        listed = ", ".join(kinds) or "(none)"
        remedy = f"did you mean '{{{{ secret.{meant} }}}}'?" if meant else f"the secrets are {listed}"
        return [Fault(path, f"there is no secret '{reference.name}'", remedy)]
    schema = kinds[reference.name]
    if schema is None or reference.part is None or reference.part in schema.parts:
        return []
    meant = closest(reference.part, schema.parts)
    remedy = f"did you mean '{meant}'?" if meant else f"its parts are {', '.join(schema.parts)}"
    return [Fault(path, f"'{reference.name}' ({schema.kind}) has no part '{reference.part}'", remedy)]
