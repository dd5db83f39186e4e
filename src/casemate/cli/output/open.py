from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Annotated, Any, Final

import typer

from casemate.cli._output import Json, OutputClosedError, emit, note, printable
from casemate.cli.output._keys import KEYS, Policy, bound
from casemate.errors import OutputError, OutputTamperedError, OutputUnfinishedError, UsageError
from casemate.output.log import lines
from casemate.output.reading import Event, Finding, Reader, Stream, Written
from casemate.wire.fields import b64u_decode
from casemate.wire.manifest import PolicyBinding

_MOST_FINDINGS: Final = 100


def open_log(
    log: Annotated[Path, typer.Argument(help="The log, as an engine or `casemate run` wrote it; - is standard input.")],
    policy: Policy,
    key_file: Annotated[
        list[Path] | None, typer.Option("--key-file", help="An output key, more than once after a change of keys.")
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="The last start may have no end: it still runs, or was killed.")
    ] = False,
    killed: Annotated[
        list[str] | None, typer.Option(help="An earlier start that may have no end, because it was killed.")
    ] = None,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Lines of several starts may come in turns: logs of replicas, put together.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read the sealed output of a service: its standard output and error go to those of this command.

    What was altered, left out, repeated or put elsewhere is named, and ends this with an error; so does an end that is
    missing. With `--json` starts and findings are printed instead of what was written. `podman logs --follow api` may
    come by a pipe, while it runs. Example: `casemate output open api.log --policy acme/records#api`
    """
    binding, genesis = bound(policy)
    reader = Reader(_keys(key_file, binding), genesis=genesis.identity(), service=binding.service, mixed=mixed)
    findings: list[Finding] = []
    screen = _Screen()
    for event in _events(log, reader):
        if isinstance(event, Finding) and len(findings) < _MOST_FINDINGS:
            findings.append(event)
            if not as_json:
                note(f"casemate: {_sentence(event)}")
        elif not isinstance(event, Finding) and not as_json:
            screen.show(event)
    report = _report(reader, findings)
    if not as_json:
        _close(reader)
    _judge(reader, report, log, without_end=_without_end(reader, killed, unfinished=unfinished))
    if as_json:
        emit(report, as_json=True)


def _keys(given: list[Path] | None, binding: PolicyBinding) -> list[bytes]:
    own = KEYS.kept(None, binding)
    paths = given or ([] if own is None else [own])
    if not paths:
        service = f"{binding.name}#{binding.service}"
        raise UsageError(f"where is the output key of {service}?", remedy="name it with --key-file")
    return [b64u_decode(KEYS.load(path)) for path in paths]


def _events(log: Path, reader: Reader) -> Iterator[Event]:
    try:
        with nullcontext(sys.stdin.buffer) if str(log) == "-" else log.open("rb") as file:
            for line in lines(file):
                yield from reader.read(line)
    except OSError as error:
        raise UsageError(f"{log}: {error.strerror}") from error


class _Screen:
    """Shows what was written, each start from the beginning of a line on."""

    def __init__(self) -> None:
        self._stream = ""
        self._unended: set[str] = set()

    def show(self, event: Stream | Written) -> None:
        if isinstance(event, Stream):
            if event.about is not None:
                note(f"casemate: start {event.name}: decision {event.about.decision}, manifest {event.about.manifest}")
            return
        if event.stream != self._stream:
            for channel in self._unended:
                self._write(channel, b"\n")
            self._stream, self._unended = event.stream, set()
        self._write(event.channel, event.content)
        ended = event.content.endswith(b"\n")
        self._unended = self._unended - {event.channel} if ended else self._unended | {event.channel}

    def _write(self, channel: str, content: bytes) -> None:
        """At once: somebody may be following. A terminal is shown what was written, and obeys nothing of it."""
        stream: IO[str] = sys.stdout if channel == "stdout" else sys.stderr
        try:
            if stream.isatty():
                stream.write(printable(content.decode("utf-8", "backslashreplace")))
            else:
                stream.buffer.write(content)  # type: ignore[attr-defined]
            stream.flush()
        except BrokenPipeError as error:
            raise OutputClosedError from error


def _close(reader: Reader) -> None:
    for stream in reader.streams:
        ended = "its end is missing" if stream.status is None else f"ended with status {stream.status}"
        note(f"casemate: start {stream.name}: {stream.written} bytes; {ended}")
    if reader.unsealed:
        note(f"casemate: {reader.unsealed} lines that nobody sealed (the shield's own messages, or the host's word)")


def _without_end(reader: Reader, killed: list[str] | None, *, unfinished: bool) -> set[str]:
    """Starts that need no end."""
    last = [stream.name for stream in reader.streams[-1:]] if unfinished else []
    return {*(killed or ()), *last}


def _judge(reader: Reader, report: dict[str, Any], log: Path, *, without_end: set[str]) -> None:
    if reader.findings and not reader.streams:
        raise OutputTamperedError(
            f"nothing of {log} opens",
            step="output.log",
            report=report,
            remedy="is it of another service or policy, or under another key (--key-file)? else it was altered",
        )
    if reader.findings:
        raise OutputTamperedError(
            f"the log is not whole: {reader.findings} findings",
            step="output.log",
            report=report,
            got=report["findings"][0]["text"],
            remedy="take the log from where it was written, rotated parts in their order",
        )
    if not reader.streams:
        raise OutputError(
            f"no sealed output in {log}",
            step="output.log",
            report=report,
            remedy="does the policy say `output: {sealed: …}`, and has the service been started since?",
        )
    endless = [stream.name for stream in reader.streams if stream.status is None and stream.name not in without_end]
    if endless:
        last = endless[0] == reader.streams[-1].name
        known = (
            "if it still runs or was killed, say --unfinished" if last else f"if it was killed: --killed {endless[0]}"
        )
        raise OutputUnfinishedError(
            f"the end of start {endless[0]} is missing",
            step="output.end",
            report=report,
            remedy=f"{known}; else somebody holds it back",
        )


def _sentence(finding: Finding) -> str:
    return finding.text if finding.stream is None else f"{finding.text} (start {finding.stream})"


def _report(reader: Reader, findings: list[Finding]) -> dict[str, Any]:
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
