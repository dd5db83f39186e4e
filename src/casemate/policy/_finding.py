"""What a step of a decision found: held or not, with the reason and what would mend it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`relied_on` is the release statement without which it would not have held."""

    held: bool
    expected: str
    got: str
    remedy: str
    relied_on: bytes | None = None
