from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer

from casemate.cli._output import Json, OutputClosedError, emit, note
from casemate.cli.output._keys import KEYS, KeyFile, Policy, bound
from casemate.errors import OutputError, OutputTamperedError, OutputUnfinishedError, UsageError
from casemate.output import key
from casemate.output.reading import Event, Finding, Reader, Stream, Written
from casemate.wire.fields import b64u_decode

_LONGEST_LINE: Final = 1 << 16
_MOST_NOTES: Final = 100


def open_log(
    log: Annotated[Path, typer.Argument(help="The log, as an engine or `casemate run` wrote it; - is standard input.")],
    policy: Policy,
    key_file: KeyFile = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="The end may be missing: the service still runs, or was killed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read the sealed output of a service: its standard output and error go to those of this command.

    What was altered, left out, repeated or put elsewhere is named, and ends this with an error; so does an end that is
    missing. With `--json` only the findings are printed. Example: `podman logs api | casemate output open - --policy
    acme/records#api`, and with `podman logs --follow` while it runs
    """
    binding, genesis = bound(policy)
    kept = KEYS.kept(key_file, binding)
    if kept is None:
        raise UsageError(f"where is the output key of {policy}?", remedy="name it with --key-file")
    reader = Reader(b64u_decode(key.load(kept)), genesis=genesis.identity(), service=binding.service)
    findings: list[Finding] = []
    for event in _events(log, reader):
        if isinstance(event, Finding):
            if len(findings) < _MOST_NOTES:
                findings.append(event)
            if not as_json and reader.findings <= _MOST_NOTES:
                note(_sentence(event))
        elif not as_json:
            _show(event)
    if as_json:
        emit(_result(reader, findings), as_json=True)
    else:
        _close(reader)
    _judge(reader, log, findings, unfinished=unfinished)


def _events(log: Path, reader: Reader) -> Iterator[Event]:
    try:
        with nullcontext(sys.stdin.buffer) if str(log) == "-" else log.open("rb") as file:
            while line := file.readline(_LONGEST_LINE):
                yield from reader.read(line)
    except OSError as error:
        raise UsageError(f"{log}: {error.strerror}") from error


def _show(event: Stream | Written) -> None:
    if isinstance(event, Stream):
        if event.about is not None:
            note(f"Start {event.name}: decision {event.about.decision}, manifest {event.about.manifest}")
        return
    _write(sys.stdout if event.channel == "stdout" else sys.stderr, event.content)


def _write(stream: IO[str], content: bytes) -> None:
    """At once: somebody may be following."""
    try:
        stream.buffer.write(content)  # type: ignore[attr-defined]
        stream.flush()
    except BrokenPipeError as error:
        raise OutputClosedError from error


def _close(reader: Reader) -> None:
    for stream in reader.streams:
        ended = "its end is missing" if stream.status is None else f"ended with status {stream.status}"
        note(f"Start {stream.name}: {stream.written} bytes; {ended}")
    if reader.unsealed:
        note(f"Lines that nobody sealed: {reader.unsealed} (the shield's own messages, or the host's word)")


def _judge(reader: Reader, log: Path, findings: list[Finding], *, unfinished: bool) -> None:
    if findings:
        raise OutputTamperedError(
            f"the log is not whole: {reader.findings} findings",
            step="output.log",
            got=_sentence(findings[0]),
            remedy="take the log from where it was written; lines of other services or keys do not open either",
        )
    if not reader.streams:
        raise OutputError(
            f"no sealed output in {log}",
            step="output.log",
            remedy="does the policy say `output: {sealed: …}`, and has the service been started since?",
        )
    if not unfinished and any(stream.status is None for stream in reader.streams):
        raise OutputUnfinishedError(
            "the end is missing",
            step="output.end",
            remedy="if the service still runs or was killed, say --unfinished; else somebody holds it back",
        )


def _sentence(finding: Finding) -> str:
    return finding.text if finding.stream is None else f"{finding.text} (start {finding.stream})"


def _result(reader: Reader, findings: list[Finding]) -> dict[str, Any]:
    return {
        "starts": [
            {
                "stream": stream.name,
                "decision": None if stream.about is None else stream.about.decision,
                "manifest": None if stream.about is None else stream.about.manifest,
                "bytes": stream.written,
                "status": stream.status,
            }
            for stream in reader.streams
        ],
        "unsealed_lines": reader.unsealed,
        "findings": [{"code": one.code, "stream": one.stream, "text": one.text} for one in findings],
        "more_findings": reader.findings - len(findings),
    }
