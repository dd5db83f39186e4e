"""A whole log: streams told apart, and everything noticed that a host could have done to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import Field

from casemate.errors import InputError, OutputTamperedError
from casemate.output.line import Kind, Piece, SealedLine, StreamKey, lines_in
from casemate.wire import canonical
from casemate.wire.fields import Model, Sha256, b64u_encode

__all__ = ["About", "Event", "Finding", "Reader", "Stream", "Written"]

Code = Literal["altered", "missing", "repeated", "after the end", "mixed"]


class About(Model):
    """What a stream is of: the decision that let it begin, and the launch manifest of what ran."""

    decision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    manifest: Sha256


class _End(Model):
    status: Annotated[int, Field(ge=0, le=255)]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was done to the log. `stream` is its name, none where it cannot be known."""

    code: Code
    text: str
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What the workload wrote in one start."""

    stream: str
    channel: Literal["stdout", "stderr"]
    content: bytes = field(repr=False)


@dataclass
class Stream:
    """One start. `about` is missing where its first line is, `status` where its last is."""

    name: str
    key: StreamKey = field(repr=False)
    about: About | None = None
    expected: int = 0
    written: int = 0
    status: int | None = None


Event = Stream | Written | Finding
"""A stream that began (its first line), something that it wrote, something that is wrong."""

_CHANNELS: Final[dict[Kind, Literal["stdout", "stderr"]]] = {Kind.OUTPUT: "stdout", Kind.ERROR: "stderr"}


class Reader:
    """Reads a log line by line. What it yields is authentic and in order, whatever is missing of it.

    `keys` are those under which it may have been written. Starts follow one another; `mixed` says that their lines may
    come in turns, as they do where the logs of several machines were put together.
    """

    def __init__(self, keys: Sequence[bytes], *, genesis: str, service: str, mixed: bool = False) -> None:
        self._keys, self._genesis, self._service, self._mixed = tuple(keys), genesis, service, mixed
        self._streams: dict[bytes, Stream] = {}
        self._last: Stream | None = None
        self.findings = 0
        self.unsealed = 0

    @property
    def streams(self) -> list[Stream]:
        """Those of which a line opened, in the order of their first one."""
        return list(self._streams.values())

    def read(self, text: bytes) -> Iterator[Event]:
        """One line of the log."""
        found = list(lines_in(text))
        self.unsealed += not found and bool(text.strip())
        for line in found:
            for event in self._line(line):
                self.findings += isinstance(event, Finding)
                yield event

    def _line(self, line: SealedLine | None) -> Iterator[Event]:
        if line is None:
            yield Finding("altered", "a sealed line is damaged")
            return
        name = b64u_encode(line.stream)
        try:
            stream, piece = self._opened(line, name)
            about = _about(piece) if piece.kind is Kind.START else None
            status = _status(piece) if piece.kind is Kind.END else None
        except (OutputTamperedError, InputError) as error:
            yield Finding("altered", f"line {line.number}: {error.message}", name)
            return
        if (wrong := self._out_of_place(stream, line)) is not None:
            yield wrong
            return
        if line.number > stream.expected:
            yield Finding("missing", _missing(stream.expected, line.number - 1), name)
        self._streams[line.stream] = self._last = stream
        stream.expected, stream.status = line.number + 1, status
        if about is not None:
            stream.about = about
            yield stream
        if piece.kind in _CHANNELS:
            stream.written += len(piece.content)
            yield Written(name, _CHANNELS[piece.kind], piece.content)

    def _opened(self, line: SealedLine, name: str) -> tuple[Stream, Piece]:
        """The stream that the line is of, under the key that opens it. Errors: OutputTamperedError."""
        known = self._streams.get(line.stream)
        if known is not None:
            return known, known.key.open(line)
        refused = OutputTamperedError("there is no key", step="output.line")
        for key in self._keys:
            own = StreamKey(key, genesis=self._genesis, service=self._service, stream=line.stream)
            try:
                return Stream(name, own), own.open(line)
            except OutputTamperedError as error:
                refused = error
        raise refused

    def _out_of_place(self, stream: Stream, line: SealedLine) -> Finding | None:
        """Why the line is not to be shown although it is authentic."""
        if line.number < stream.expected:
            return Finding("repeated", f"line {line.number} comes again, or too late", stream.name)
        if stream.status is not None:
            return Finding("after the end", f"line {line.number} comes after the end", stream.name)
        goes_on = self._last is None or self._last is stream or not stream.expected
        if not goes_on and not self._mixed:
            return Finding("mixed", f"line {line.number} comes after another start began", stream.name)
        return None


def _missing(first: int, last: int) -> str:
    return f"line {first} is missing" if first == last else f"lines {first} to {last} are missing"


def _about(piece: Piece) -> About:
    return canonical.parse_record(About, piece.content, what="start")


def _status(piece: Piece) -> int:
    return canonical.parse_record(_End, piece.content, what="end").status
