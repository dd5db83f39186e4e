"""What people write after options of these commands: read in one place, refused by the option's name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from casemate.errors import MalformedError, UsageError
from casemate.wire.binding import digest_bytes
from casemate.wire.fields import parse_time

__all__ = ["MOST_BYTES", "At", "digest_given", "hexadecimal", "one_of", "reason_given", "time_given"]

MOST_BYTES: Final = 4096
"""Of a value in hex: more than any platform signs of its caller's."""

_SHOWN: Final = 80
"""Characters of what was written that an error repeats."""

At = Annotated[str | None, typer.Option("--at", help="The time to verify at, as 2026-01-31T12:00:00Z; else now.")]


def time_given(at: str | None) -> datetime:
    """Now, where nothing is given. Errors: UsageError."""
    if at is None:
        return datetime.now(UTC)
    try:
        return parse_time(at)
    except MalformedError as error:
        raise UsageError(
            "--at is not a time",
            expected="a time of UTC, as 2026-01-31T12:00:00Z",
            got=at[:_SHOWN] or "nothing",
            remedy="write the whole of it, with T, seconds and Z; leave --at out for now",
        ) from error


def hexadecimal(option: str, text: str, *, least: int = 1, most: int = MOST_BYTES) -> bytes:
    """`least` to `most` bytes, never none: empty is a script's variable that nobody set. Errors: UsageError."""
    wanted = f"{least} to {most} bytes" if least != most else f"{least} bytes"
    try:
        given = bytes.fromhex(text)
    except ValueError as error:
        raise UsageError(
            f"{option} is not hex",
            expected=f"{wanted}, two digits each",
            got=text[:_SHOWN],
            remedy=f"write {option} as 00ff, without 0x; of base64: base64 -d | xxd -p -c 0",
        ) from error
    if not given:
        raise UsageError(f"{option} is empty", expected=wanted, remedy=f"give its bytes, or leave {option} out")
    if not least <= len(given) <= most:
        raise UsageError(f"{option} has another length", expected=wanted, got=f"{len(given)} bytes")
    return given


def digest_given(option: str, text: str) -> bytes:
    """Of `sha256:…` or `sha384:…`. Errors: UsageError."""
    try:
        return digest_bytes(text)
    except MalformedError as error:
        raise UsageError(
            f"{option} is not a digest", expected=error.expected, got=text[:_SHOWN] or "nothing"
        ) from error


def reason_given(option: str, text: str | None) -> str | None:
    """Errors: UsageError where the option is there and says nothing."""
    if text is not None and not text.strip():
        raise UsageError(f"{option} is empty", expected="a reason", remedy=f"say why, or leave {option} out")
    return text


def one_of(option: str, text: str | None, known: Sequence[str]) -> str | None:
    """Errors: UsageError where it is none of the `known`."""
    if text is not None and text not in known:
        raise UsageError(
            f"{option} names none that is known", expected=", ".join(known), got=text[:_SHOWN] or "nothing"
        )
    return text
