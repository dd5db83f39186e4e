"""Patterns of holes (spec/manifest.md, "Patterns"): a small language that Python and Rust read exactly alike.

A pattern is read here to its last character, and written anew in the few forms that every engine of regular expressions
takes the same way; pydantic's (Rust, linear time) then does the matching. crates/shield/src/pattern.rs is the twin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydantic_core import SchemaValidator, core_schema

from casemate.wire.fields import is_plain

__all__ = ["MAX_PATTERN", "Pattern", "PatternError"]

MAX_PATTERN: Final = 256
"""Characters: enough for a URL, too short for a puzzle."""
MAX_COUNT: Final = 1000
"""Of a counted repetition; longer values are for `*` and `+`."""
MAX_GROUPS: Final = 8
"""Groups within groups."""
MAX_WEIGHT: Final = 1024
"""Characters, dots and classes after counts are written out: bounds the work of matching."""

_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_COUNT: Final = re.compile(r"\{(0|[1-9][0-9]{0,3})(,(0|[1-9][0-9]{0,3})?)?\}")
_CONTROLS: Final = {"t": "\t", "n": "\n", "r": "\r"}
# As the inside of a class. White space is that of C: tab, line feed, vertical tab, form feed, carriage return, space.
_SETS: Final = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\x{9}-\x{d}\x{20}"}
_ANYTHING: Final = r"[^\x{a}]"
_CODE_POINT: Final = re.compile(r"\\x\{([0-9a-f]+)\}")


class PatternError(ValueError):
    """What is wrong with a pattern, to be read after the words "the pattern"."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was read. `plain` is its spelling for an engine of regular expressions."""

    source: str
    plain: str

    @classmethod
    def parse(cls, source: str) -> Pattern:
        """`PatternError`."""
        if not source or len(source) > MAX_PATTERN:
            raise PatternError("is empty or longer than 256 characters")
        if not is_plain(source):
            raise PatternError(r"holds a character that does not show; write \t, \n or \r")
        reader = _Reader(source)
        plain, weight = reader.alternatives(0)
        if not reader.at_end():
            raise PatternError("has a bracket without its other half")
        if weight > MAX_WEIGHT:
            raise PatternError("is too large: more than 1024 characters with its counts written out")
        return cls(source, plain)

    def matches(self, value: str) -> bool:
        """Whether all of `value` matches."""
        return _engine(self.plain).isinstance_python(value)

    @property
    def for_re(self) -> str:
        """The spelling for Python's `re`, without groups that capture. It backtracks: for what a user types only."""
        return _CODE_POINT.sub(lambda found: rf"\U{int(found[1], 16):08x}", self.plain)


@lru_cache(maxsize=64)
def _engine(plain: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=rf"\A(?:{plain})\z", strict=True, regex_engine="rust-regex"))


class _Reader:
    """Recursive descent. Each method returns a spelling and what it weighs, or raises `PatternError`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._text)

    def alternatives(self, depth: int) -> tuple[str, int]:
        if depth > MAX_GROUPS:
            raise PatternError("nests groups deeper than 8")
        branches = [self._branch(depth)]
        while self._take("|"):
            branches.append(self._branch(depth))
        return "|".join(plain for plain, _ in branches), sum(weight for _, weight in branches)

    def _branch(self, depth: int) -> tuple[str, int]:
        branch, total = "", 0
        while not self.at_end() and self._text[self._at] not in "|)":
            atom, weight = self._atom(depth)
            repeat, times = self._repeat()
            branch += atom + repeat
            total += weight * times
        if not branch:
            raise PatternError("has an empty group or alternative")
        return branch, total

    def _atom(self, depth: int) -> tuple[str, int]:
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._class(), 1
        if character == ".":
            return _ANYTHING, 1
        if character == "\\":
            return self._escape_outside(), 1
        if character in "^$":
            raise PatternError("has ^ or $, but a value always matches as a whole")
        if character in "?*+{":
            raise PatternError("repeats nothing, or what is repeated already")
        if character in "]}":
            raise PatternError("has a bracket without its other half")
        return _literal(character), 1

    def _group(self, depth: int) -> tuple[str, int]:
        if self._take("?") and not self._take(":"):
            raise PatternError("has look-around, flags or a named group")
        inner, weight = self.alternatives(depth + 1)
        if not self._take(")"):
            raise PatternError("has a bracket without its other half")
        return f"(?:{inner})", weight

    def _repeat(self) -> tuple[str, int]:
        """The spelling of a repetition (often none), and how often it writes out at least what it repeats."""
        for sign in "?*+":
            if self._take(sign):
                return sign, 1
        if not self._take("{"):
            return "", 1
        count = _COUNT.match(self._text, self._at - 1)
        least, most = (int(count[1]), int(count[3] or count[1])) if count else (1, 0)
        if count and count[2] == ",":
            most = max(least, 1)
        if count is None or not least <= most or not 1 <= most <= MAX_COUNT:
            raise PatternError("has a count that is not {n}, {n,} or {n,m} with n ≤ m and 1 ≤ m ≤ 1000")
        self._at = count.end()
        return count[0], most

    def _class(self) -> str:
        negated = "^" if self._take("^") else ""
        items: list[str] = []
        while not self._take("]"):
            items.append(self._item(first=not items))
        if not items:
            raise PatternError("has a class that is empty or does not end")
        return f"[{negated}{''.join(items)}]"

    def _item(self, *, first: bool) -> str:
        low = self._member(first=first)
        if len(low) > 1 or self._text[self._at : self._at + 1] != "-" or self._text[self._at + 1 : self._at + 2] == "]":
            return low if len(low) > 1 else _literal(low)
        self._at += 1
        high = self._member(first=False)
        if len(high) > 1 or low > high:
            raise PatternError("has a range that does not go from one character to a later one")
        return f"{_literal(low)}-{_literal(high)}"

    def _member(self, *, first: bool) -> str:
        """One character of a class, or the inside of a set like `\\d`, which is longer than one."""
        if self.at_end():
            raise PatternError("has a class that is empty or does not end")
        character = self._next()
        if character == "\\":
            return self._escape()
        last = self._text[self._at : self._at + 1] == "]"
        if character == "[" or (character == "-" and not first and not last):
            raise PatternError(r"has [ or - inside a class; write \[ and \-")
        return character

    def _escape_outside(self) -> str:
        found = self._escape()
        return f"[{found}]" if len(found) > 1 else _literal(found)

    def _escape(self) -> str:
        character = "" if self.at_end() else self._next()
        if character in _PUNCTUATION:
            return character
        found = _CONTROLS.get(character) or _SETS.get(character)
        if found is None:
            raise PatternError(r"has a \ before what is neither punctuation nor one of d, w, s, t, n, r")
        return found

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, wanted: str) -> bool:
        found = self._text.startswith(wanted, self._at)
        self._at += len(wanted) if found else 0
        return found


def _literal(character: str) -> str:
    return character if character.isascii() and character.isalnum() else rf"\x{{{ord(character):x}}}"
