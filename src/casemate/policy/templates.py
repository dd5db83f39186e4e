"""Templates (spec/policy.md, "Templates"): text with references to secrets, and nothing else.

`{{ secret.name }}`, `{{ secret.name.part }}`, and `{{ "{{" }}` for two literal braces. There is no logic, so that
reading a policy tells exactly which secret goes where.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from casemate.errors import TemplateError, TooLargeError

__all__ = ["MAX_REFERENCES", "MAX_RENDERED_BYTES", "SecretReference", "Template"]

MAX_REFERENCES: Final = 64
"""In one template. A certificate bundle needs a handful; the bound keeps rendering linear in the document."""

MAX_RENDERED_BYTES: Final = 1024 * 1024
"""Of one rendered template. Files for workloads are configuration, not data."""

_OPEN: Final = "{{"
_CLOSE: Final = "}}"
_SPACE: Final = " \t\r\n"
_REFERENCE: Final = re.compile(r"secret\.([a-z][a-z0-9_]{0,62})(?:\.([a-z][a-z0-9_]{0,62}))?")
_LITERAL: Final = '"{{"'
_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A secret by name; `part` is absent for the first part of its kind."""

    name: str
    part: str | None = None

    def __str__(self) -> str:
        return f"secret.{self.name}" + (f".{self.part}" if self.part else "")


@dataclass(frozen=True, slots=True)
class Template:
    """A template that parsed: literal text and references, in order."""

    pieces: tuple[str | SecretReference, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Strict; `TemplateError` names the character (from 1) where the trouble starts."""
        pieces: list[str | SecretReference] = []
        position = 0
        while (start := text.find(_OPEN, position)) >= 0:
            pieces.append(text[position:start])
            end = _end(text, start)
            pieces.append(_piece(text, start, end))
            position = end + len(_CLOSE)
        pieces.append(text[position:])
        template = cls(_merged(pieces))
        if len(template.references) > MAX_REFERENCES:
            raise TemplateError(
                "more references than one template may have",
                step="template.references",
                expected=f"≤ {MAX_REFERENCES}",
                got=str(len(template.references)),
                remedy="split it into several files",
            )
        return template

    @property
    def references(self) -> tuple[SecretReference, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, SecretReference))

    @property
    def literal(self) -> str | None:
        """The whole text, when it refers to no secret."""
        return None if self.references else "".join(str(piece) for piece in self.pieces)

    def render(self, lookup: Callable[[SecretReference], bytes]) -> bytes:
        """Literal text as UTF-8, references as the bytes that `lookup` gives; `TooLargeError` over the limit."""
        parts = [piece.encode() if isinstance(piece, str) else lookup(piece) for piece in self.pieces]
        size = sum(len(part) for part in parts)
        if size > MAX_RENDERED_BYTES:
            raise TooLargeError(
                "a rendered template is too large",
                step="template.size",
                expected=f"≤ {MAX_RENDERED_BYTES} bytes",
                got=str(size),
            )
        return b"".join(parts)


def _end(text: str, start: int) -> int:
    """Where the `}}` of the braces at `start` is."""
    inside = start + len(_OPEN)
    while inside < len(text) and text[inside] in _SPACE:
        inside += 1
    if text.startswith(_LITERAL, inside):
        inside += len(_LITERAL)
    end = text.find(_CLOSE, inside)
    if end < 0:
        raise _error(text, start, "'{{' without its '}}'", text[start:])
    return end


def _piece(text: str, start: int, end: int) -> str | SecretReference:
    body = text[start + len(_OPEN) : end].strip(_SPACE)
    if body == _LITERAL:
        return _OPEN
    match = _REFERENCE.fullmatch(body)
    if match is None:
        raise _error(text, start, "not a reference to a secret", text[start : end + len(_CLOSE)])
    return SecretReference(match[1], match[2])


def _merged(pieces: list[str | SecretReference]) -> tuple[str | SecretReference, ...]:
    """Neighbouring text as one piece, so that equal templates compare equal."""
    merged: list[str | SecretReference] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(previous := merged[-1], str):
            merged[-1] = previous + piece
        elif piece != "":
            merged.append(piece)
    return tuple(merged)


def _error(text: str, start: int, message: str, shown: str) -> TemplateError:
    line, column = text.count("\n", 0, start) + 1, start - (text.rfind("\n", 0, start) + 1) + 1
    place = f"character {column}" if "\n" not in text else f"line {line}, character {column}"
    if "hole." in shown:
        remedy = "holes are written in the launch manifest; here stand only values and secrets"
    else:
        remedy = 'write {{ secret.NAME }} or {{ secret.NAME.PART }}, or {{ "{{" }} for two braces'
    return TemplateError(
        f"{message}, at {place}", step="template.syntax", got=shown[:_SHOWN], expected="{{ secret.… }}", remedy=remedy
    )
