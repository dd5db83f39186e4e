"""What two images show differently, path by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from casemate.image.tool import Image, Tool

__all__ = ["Difference", "Facts", "contents", "differences"]

_TIME: Final = "modified"

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """`before` and `after` are what `casemate-image` says of the path; None where there is nothing."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Facts | None
    after: Facts | None

    @property
    def names(self) -> list[str]:
        """Of the facts that differ."""
        before, after = self.before or {}, self.after or {}
        return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def contents(tool: Tool, image: Image) -> dict[str, Facts]:
    """Path → all that it is, files with their digests."""
    found: dict[str, Facts] = {}

    def take(entry: dict[str, Any]) -> None:
        found[f"/{entry.pop('path')}"] = entry

    tool.list(image, take, digests=True)
    return found


def differences(before: Mapping[str, Facts], after: Mapping[str, Facts], *, times: bool) -> Iterator[Difference]:
    """Sorted by path. Only with `times` does a time of modification make a difference."""
    for path in sorted({*before, *after}):
        one, other = before.get(path), after.get(path)
        if one is None or other is None:
            yield Difference(path, "added" if one is None else "removed", one, other)
        elif _compared(one, times) != _compared(other, times):
            yield Difference(path, "changed", one, other)


def _compared(facts: Facts, times: bool) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if times or name != _TIME}
