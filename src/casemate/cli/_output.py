"""What commands say: sentences for people, one JSON object for scripts (`--json`), errors with cause and cure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from casemate.errors import CasemateError

__all__ = ["Json", "emit", "fail", "note", "progress", "table"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

_err = Console(stderr=True, highlight=False)


def emit(result: Mapping[str, Any], *, as_json: bool, text: str | None = None) -> None:
    """Prints `result` as JSON, or `text` (default: one `name: value` a line)."""
    if as_json:
        print(json.dumps(result, indent=2, ensure_ascii=False, sort_keys=False))
    elif text is not None:
        print(text)
    else:
        for name, value in result.items():
            print(f"{name}: {value}")


def table(columns: list[str], rows: list[list[str]]) -> None:
    grid = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    Console(highlight=False, soft_wrap=True).print(grid)


def note(text: str) -> None:
    """A word to a person while something goes on; never part of the result."""
    _err.print(escape(text), style="dim")


@contextmanager
def progress(text: str, *, quiet: bool) -> Iterator[None]:
    """A spinner while long work runs, on terminals only."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    with _err.status(escape(text)):
        yield


def fail(error: CasemateError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error.diagnostics()}, indent=2, ensure_ascii=False))
        return
    facts = error.diagnostics()
    place = f"line {facts['line']}, column {facts['column']}: " if "line" in facts else ""
    _err.print(f"[bold red]error:[/] {escape(place + error.message)}", soft_wrap=True)
    for name in ("step", "expected", "got", "problem", "decision", "remedy"):
        if name in facts:
            _err.print(f"  [bold]{name:>8}[/]  {escape(facts[name])}", soft_wrap=True)
