"""What commands say: sentences for people, one JSON object for scripts (`--json`), errors with cause and cure.

Results go to standard output, everything else to standard error. What others wrote is shown, and never obeyed: control
characters are spelled out before they reach a terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Annotated, Any, Final

import typer

from casemate.errors import CasemateError

__all__ = ["Json", "JsonFailure", "OutputClosedError", "emit", "fail", "note", "printable", "progress", "table"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
JsonFailure = Annotated[
    bool, typer.Option("--json", help="Print one JSON object if it cannot start; later output is its own.")
]

_BOLD: Final = "1"
_DIM: Final = "2"
_ALARM: Final = "1;31"
_UNWRITABLE: Final = "output.write"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""All but tab and newline, and what turns the direction of text."""


class OutputClosedError(Exception):
    """Nobody reads standard output any more."""


def emit(result: Mapping[str, Any], *, as_json: bool, text: str | None = None) -> None:
    """Prints `result` as JSON, or `text` (default: one `name: value` a line)."""
    if as_json:
        _write_json(result)
    else:
        _write(text if text is not None else "\n".join(f"{name}: {value}" for name, value in result.items()))


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Aligned columns; cells are never cut, whatever the terminal's width: people copy them."""
    widths = [max(len(row[number]) for row in (columns, *rows)) for number in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)]
    head, *rest = (line.rstrip() for line in lines)
    _write("\n".join([_styled(head, _BOLD, sys.stdout), *(printable(line) for line in rest)]), trusted=True)


def note(text: str) -> None:
    """A word to a person while something goes on; never part of the result."""
    _complain(_styled(text, _DIM, sys.stderr))


@contextmanager
def progress(text: str, *, quiet: bool) -> Iterator[None]:
    """A spinner while long work runs, on terminals only."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console  # slow to import, and most commands do without
    from rich.markup import escape

    with Console(stderr=True, highlight=False).status(escape(printable(text))):
        yield


def fail(error: CasemateError, *, as_json: bool) -> None:
    """Says what went wrong and what would mend it."""
    facts = error.diagnostics()
    if as_json and error.step != _UNWRITABLE:
        _write_json({"error": facts})
        return
    lines = [f"{_styled('error:', _ALARM, sys.stderr)} {_one_line(error.message)}"]
    for name in ("step", "expected", "got", "problem", "decision", "remedy"):
        if name in facts:
            lines.append(f"  {_styled(f'{name:>8}', _BOLD, sys.stderr)}  {_one_line(facts[name])}")
    _complain("\n".join(lines))


def _write_json(value: Mapping[str, Any]) -> None:
    """UTF-8 whatever the locale (RFC 8259 §8.1); what has no UTF-8 becomes an escape that JSON knows."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    _write_bytes(text.encode("utf-8", "backslashreplace"))


def _write(text: str, *, trusted: bool = False) -> None:
    shown = text if trusted else printable(text)
    _write_bytes(f"{shown}\n".encode(sys.stdout.encoding, "backslashreplace"))


def _write_bytes(data: bytes) -> None:
    """Flushed, so that whatever goes wrong goes wrong here."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        _abandon(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise OutputClosedError from error
        raise CasemateError(f"the result cannot be written: {error.strerror}", step=_UNWRITABLE) from error


def _complain(text: str) -> None:
    """To standard error; where that is closed there is nobody left to tell."""
    try:
        sys.stderr.buffer.write(f"{text}\n".encode(sys.stderr.encoding, "backslashreplace"))
        sys.stderr.buffer.flush()
    except OSError:
        _abandon(sys.stderr)


def _abandon(stream: IO[str]) -> None:
    """What is still buffered must not fail once more when the interpreter ends."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def _styled(text: str, style: str, stream: IO[str]) -> str:
    plain = not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return printable(text) if plain else f"\x1b[{style}m{printable(text)}\x1b[0m"


def printable(text: str) -> str:
    """With control characters spelled out, but tab and newline."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _one_line(text: str) -> str:
    return printable(text.replace("\n", "\\n").replace("\t", " "))
