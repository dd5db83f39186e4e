"""How the command line ends: a documented exit code for whatever happens (spec/exit-codes.md), and no traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final

from typer import Abort
from typer.exceptions import TyperException

from casemate.cli._output import OutputClosedError, fail
from casemate.errors import CasemateError, UsageError

__all__ = ["CLOSED_PIPE", "INTERRUPTED", "run_to_end"]

INTERRUPTED: Final = 130
"""128 and SIGINT's number, as shells count."""

CLOSED_PIPE: Final = 141
"""128 and SIGPIPE's number: what `head` does to the program before it."""

_STREAMS: Final = ("stdin", "stdout", "stderr")


def run_to_end(command: Callable[[], int | None], arguments: Sequence[str]) -> int:
    """The exit status of `command`, which was called with `arguments`; says why, if it failed."""
    _open_streams()
    try:
        return _run(command, as_json=_wants_json(arguments))
    except OutputClosedError:
        return CLOSED_PIPE


def _run(command: Callable[[], int | None], *, as_json: bool) -> int:
    try:
        return command() or 0
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    except OutputClosedError:
        raise
    except Exception as error:  # noqa: BLE001 - nobody is to read a traceback who did not ask for one
        if os.environ.get("CASEMATE_DEBUG"):
            traceback.print_exc()
        found = _explained(error)
        return UsageError.exit_code if found is None else _told(found, as_json=as_json)


def _told(error: CasemateError, *, as_json: bool) -> int:
    try:
        fail(error, as_json=as_json)
    except CasemateError as unwritable:  # the JSON; the sentence goes another way
        fail(unwritable, as_json=as_json)
    return error.exit_code


def _explained(error: Exception) -> CasemateError | None:
    """Any error as one of ours; None where the help was shown, which says it all."""
    if isinstance(error, CasemateError):
        return error
    if isinstance(error, TyperException):
        return _called_wrongly(error)
    if isinstance(error, OSError) and error.strerror:
        place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return CasemateError(f"{place}{error.strerror}", step="system")
    return CasemateError(
        f"casemate itself failed: {type(error).__name__}: {error}",
        step="internal",
        remedy="set CASEMATE_DEBUG=1 to see where, and report it: this is a defect",
    )


def _called_wrongly(error: TyperException) -> UsageError | None:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return None
    return UsageError(error.format_message().rstrip("."), remedy=_help(type(error).__name__, context))


def _help(kind: str, context: Any) -> str | None:
    if context is None:
        return None
    shows = f"{context.command_path} --help shows how"
    if kind == "NoSuchOption" and any(part.nargs == -1 for part in context.command.params):
        return f"what belongs to the program comes after --; {shows}"
    return shows


def _wants_json(arguments: Sequence[str]) -> bool:
    """What comes after `--` belongs to a workload."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own


def _open_streams() -> None:
    """A standard stream that the caller closed is opened on nothing: its number must not go to a socket or a key."""
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one. Reading gives the end, writing fails as it should.
            os.open(os.devnull, os.O_RDONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
