"""A small, strict part of YAML 1.1, read event by event: values with the place of each.

Block and flow maps and lists, text, `true`/`false`, whole decimal numbers. No anchors, aliases, tags, merge keys,
directives, second documents or repeated keys. Plain words that some YAML reader takes for something else (`no`,
`0400`, `1.10`, `12:30`, `2026-11-23`) are refused, so that a policy means one thing to everybody who reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.resolver import Resolver

from casemate.policy._faults import Path

__all__ = ["MAX_YAML_DEPTH", "Place", "Spot", "StrictYaml", "read_yaml"]

MAX_YAML_DEPTH: Final = 32
"""As JSON messages: rules nest to 8, nothing else beyond 10."""

_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")
_MAX_INTEGER: Final = 2**53 - 1
# YAML 1.1 ends lines here, too: a reader would count other lines than a person, and see no comment end.
_HIDDEN_BREAK: Final = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
# What PyYAML itself leaves alone, but other readers do not (YAML 1.1 booleans, YAML 1.2 octal).
_ELSEWHERE: Final = re.compile(r"[yYnN]|0o[0-7]+")
_SURPRISES: Final = {
    "tag:yaml.org,2002:bool": "a flag",
    "tag:yaml.org,2002:int": "a number in another notation",
    "tag:yaml.org,2002:float": "a number with a fraction",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:merge": "a merge of other fields",
    "tag:yaml.org,2002:value": "a default value",
}
_RESOLVER: Final = Resolver()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Spot:
    """What is wrong at a place of the text."""

    place: Place
    message: str
    remedy: str | None = None


@dataclass(slots=True)
class StrictYaml:
    """A value (nothing, if the text broke off), where its fields and values stand, what is wrong with the text."""

    value: Any = None
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    spots: list[Spot] = field(default_factory=list)
    whole: bool = False


class _StopError(Exception):
    """The text cannot be read further; the spot says why."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(spot.message)
        self.spot = spot


def read_yaml(text: str) -> StrictYaml:
    """Never raises for any `text`: what is wrong is in `spots`."""
    result = StrictYaml()
    if (hidden := _HIDDEN_BREAK.search(text)) is not None:
        place = _counted(text[: hidden.start()])
        result.spots.append(Spot(place, "a line break that editors do not show", "write it as an escape, or remove it"))
        return result
    try:
        _Reader(text, result).read()
        result.whole = True
    except _StopError as stop:
        result.spots.append(stop.spot)
    except yaml.reader.ReaderError as error:
        place = _counted(text[: error.position])
        result.spots.append(Spot(place, "a character that YAML does not allow", "remove it"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        result.spots.append(Spot(place, f"not YAML: {error.problem or error.context}", _syntax_remedy(error)))
    except (ValueError, OverflowError):
        # PyYAML turns an escape like "\UFFFFFFFF" into a character without looking.
        last = max(result.values.values(), default=Place(1, 1))
        result.spots.append(Spot(last, "an escape for a character that does not exist", "write the character itself"))
    return result


class _Reader:
    """One pass over the parser's events; the depth is bounded before anything recurses."""

    def __init__(self, text: str, result: StrictYaml) -> None:
        self._events: Iterator[Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._result = result

    def read(self) -> None:
        next(self._events)  # the stream starts
        start = next(self._events)
        if not isinstance(start, DocumentStartEvent):
            raise _StopError(Spot(Place(1, 1), "the file is empty", "start with casemate: 1"))
        if start.version or start.tags:
            raise _StopError(Spot(_place(start), "YAML directives are not used here", "remove the line with %"))
        self._result.value = self._node(next(self._events), ())
        next(self._events)  # the document ends
        after = next(self._events)
        if isinstance(after, DocumentStartEvent):
            raise _StopError(Spot(_place(after), "a second document begins", "write one policy a file, without '---'"))

    def _node(self, event: Event, path: Path) -> Any:
        self._result.values.setdefault(path, _place(event))
        self._refuse_extras(event)
        if isinstance(event, CollectionStartEvent) and len(path) >= MAX_YAML_DEPTH:
            message = f"nested deeper than {MAX_YAML_DEPTH} levels"
            raise _StopError(Spot(_place(event), message, "no policy needs that"))
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event) if isinstance(event, ScalarEvent) else None

    def _mapping(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first: dict[str, Place] = {}
        while isinstance(event := next(self._events), NodeEvent):
            name = self._key(event)
            if name in first:
                message = f"'{name}' is already written in line {first[name].line}"
                self._spot(event, message, "keep one of the two")
            first.setdefault(name, _place(event))
            self._result.keys.setdefault((*path, name), _place(event))
            value = self._node(next(self._events), (*path, name))
            values.setdefault(name, value)
        return values

    def _key(self, event: Event) -> str:
        self._refuse_extras(event)
        if not isinstance(event, ScalarEvent):
            raise _StopError(Spot(_place(event), "a list or fields where the name of a field belongs", "write a name"))
        name = self._scalar(event)
        if not isinstance(name, str):
            self._spot(event, f"{event.value!r} is not the name of a field", f'write it in quotes: "{event.value}"')
            return event.value
        return name

    def _sequence(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            values.append(self._node(event, (*path, len(values))))
        return values

    def _scalar(self, event: ScalarEvent) -> str | int | bool | None:
        text = self._unicode(event)
        if not event.implicit[0]:  # quoted, or a block of text
            return text
        if text in {"true", "false"}:
            return text == "true"
        if text in {"", "~", "null"}:
            return None
        if _INTEGER.fullmatch(text) and abs(int(text)) <= _MAX_INTEGER and text != "-0":
            return int(text)
        tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        taken_for = _SURPRISES.get(tag) or ("something else" if _ELSEWHERE.fullmatch(text) else None)
        if taken_for:
            self._spot(event, f"{text} may be read as {taken_for}", f'write it in quotes: "{text}"')
        return text

    def _unicode(self, event: ScalarEvent) -> str:
        """The text, without halves of characters (an escape can write them): no other program could read those."""
        text = event.value.encode("utf-8", "replace").decode()
        if text != event.value:
            self._spot(event, "half of a character pair", "write the character itself")
        return text

    def _refuse_extras(self, event: Event) -> None:
        if not isinstance(event, NodeEvent):
            raise _StopError(Spot(_place(event), "a value is missing", "write a value"))
        if isinstance(event, AliasEvent):
            raise _StopError(Spot(_place(event), f"'*{event.anchor}' refers to another place", "write the value out"))
        if event.anchor:
            self._spot(event, f"'&{event.anchor}' names a value to be repeated", "write values out, without anchors")
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag:
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._spot(event, f"'{shown}' gives a value a type", "leave the tag out")

    def _spot(self, event: Event, message: str, remedy: str) -> None:
        self._result.spots.append(Spot(_place(event), message, remedy))


_SYNTAX_REMEDIES: Final = (
    ("\\t", "indent with spaces"),
    ("mapping values", "put text that holds ': ' in quotes, and check the indentation"),
    ("expected <block end>", "check the indentation, and that every field has its ':'"),
    ("could not find expected ':'", "check the indentation, and that every field has its ':'"),
    ("expected ',' or '}'", "put a comma between fields, and close the '{{' of {begun} with a '}}'"),
    ("expected ',' or ']'", "put a comma between members, and close the '[' of {begun} with a ']'"),
    ("cannot start any token", "put the text in quotes"),
    ("node content", "write a value, or put the text in quotes"),
    ("unexpected end of stream", "close the quotes of {begun}"),
)
"""A sign in PyYAML's words → what to do."""


def _counted(before: str) -> Place:
    """Where the text ends that is `before`."""
    return Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _place(event: Event) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)


def _syntax_remedy(error: yaml.MarkedYAMLError) -> str:
    """What to write instead; `error.context_mark` is where that begins which is not closed."""
    mark = error.context_mark
    begun = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "before it"
    problem = str(error.problem)
    remedies = (remedy for sign, remedy in _SYNTAX_REMEDIES if sign in problem)
    return next(remedies, "put the text in quotes, and check the indentation").format(begun=begun)
