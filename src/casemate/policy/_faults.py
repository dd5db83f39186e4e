"""What is wrong with a document, and where: the one form in which every check of this package reports."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from casemate.errors import PolicyError

__all__ = ["Fault", "Path", "closest", "first_error", "text_path"]

Path = tuple[str | int, ...]
"""From the document's root: names of fields, indices of lists."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`path` leads to the offending value, or, with `on_key`, to the field whose name offends."""

    path: Path
    message: str
    remedy: str | None = None
    on_key: bool = False

    def sentence(self) -> str:
        place = text_path(self.path)
        return f"{place}: {self.message}" if place else self.message


def text_path(path: Path) -> str:
    """`services.api.platforms[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` was probably meant to be."""
    matches = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return matches[0] if matches else None


def first_error(faults: list[Fault]) -> PolicyError:
    """The first fault as an error, for callers that have no text with lines."""
    fault = faults[0]
    return PolicyError(fault.sentence(), step="policy.document", remedy=fault.remedy)
