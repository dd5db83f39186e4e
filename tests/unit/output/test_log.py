"""Lines of a log, as they came or as container engines keep them."""

from __future__ import annotations

import io

from casemate.output.log import lines


def read(text: bytes) -> list[bytes]:
    return list(lines(io.BytesIO(text)))


def test_lines_come_as_they_are() -> None:
    assert read(b"one\ntwo\n\nthree") == [b"one\n", b"two\n", b"\n", b"three"]


def test_an_engines_entries_are_put_together_again() -> None:
    log = (
        b"2026-11-29T20:00:00.1+00:00 stdout P casemate-out\n"
        b"2026-11-29T20:00:00.2+00:00 stderr F casemate-shield: a word\n"
        b"2026-11-29T20:00:00.3+00:00 stdout P put:v1:\n"
        b"2026-11-29T20:00:00.4+00:00 stdout F rest\n"
        b"2026-11-29T20:00:00.5+00:00 stdout F next\n"
        b"2026-11-29T20:00:00.6+00:00 stdout P never\n"
    )
    assert read(log) == [b"casemate-shield: a word\n", b"casemate-output:v1:rest\n", b"next\n", b"never"]


def test_what_never_ends_is_not_kept() -> None:
    endless = b"2026-11-29T20:00:00.1+00:00 stdout P " + b"x" * 60_000 + b"\n"
    assert [len(line) for line in read(endless * 3)] == [120_000, 60_000]
    assert [len(line) for line in read(b"y" * 200_000)] == [65_536] * 3 + [3_392]
