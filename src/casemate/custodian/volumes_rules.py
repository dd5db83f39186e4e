"""Who may move a volume's anchor, and where to: pure rules (spec/protocol.md, "Volumes").

the record is the expected one, or the caller learns what it is
a state goes forward only, a generation never falls, a volume stays the same one
under the same fence only the lease that holds the volume moves it; whoever raises the fence takes it over
"""

from __future__ import annotations

from typing import Final, Literal

from casemate.custodian.problems import Refusal
from casemate.wire.fields import Model
from casemate.wire.volumes import UNINITIALISED, Unsigned, VolumeRecord

__all__ = ["EMPTY", "MAX_STEP", "KeptAnchor", "KeptReaders", "Verdict", "judge"]

MAX_STEP: Final = 2**32
"""By which a fence rises at most: a writer adds a random number of 32 bits and one (spec/volume-format.md)."""

_NEXT: Final = {"uninitialised": {"active"}, "active": {"active", "retired"}, "retired": set[str]()}

Verdict = Literal["set", "repeated", "conflict", "takeover"]
"""`set` by the holder, or of a volume that nobody holds; `takeover` needs the end of another lease first."""


class KeptAnchor(Model):
    """A volume's record, and the lease (in hexadecimal) that holds it."""

    record: VolumeRecord
    holder: str | None = None

    def to_bytes(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


EMPTY: Final = KeptAnchor(record=UNINITIALISED)


class KeptReaders(Model):
    """Lease (in hexadecimal) → the generation that it reads."""

    generations: dict[str, Unsigned]

    def to_bytes(self) -> bytes:
        return self.model_dump_json().encode()


def judge(kept: KeptAnchor, lease: str, mode: str | None, expected: VolumeRecord, new: VolumeRecord) -> Verdict:
    """What a wish to put `new` in place of `expected` comes to; `Refusal` where it can never be."""
    if mode != "write":
        raise _refused("volume.mode", mode or "none")
    mine = kept.holder == lease
    if mine and kept.record == new:
        # The reply to the first time was lost.
        return "repeated"
    if kept.record != expected:
        return "conflict"
    _check_content(expected, new)
    return _by_fence(kept, mine, int(new.fence) - int(expected.fence))


def _check_content(expected: VolumeRecord, new: VolumeRecord) -> None:
    if new.state not in _NEXT[expected.state]:
        raise _refused("volume.state", f"{expected.state} → {new.state}")
    if expected.state != "uninitialised" and new.volume != expected.volume:
        raise _refused("volume.identity", "another volume")
    if int(new.generation) < int(expected.generation):
        raise _refused("volume.generation", f"{expected.generation} → {new.generation}")


def _by_fence(kept: KeptAnchor, mine: bool, step: int) -> Verdict:
    if not 0 <= step <= MAX_STEP:
        raise _refused("volume.fence", f"{step:+}")
    if step == 0:
        if not mine:
            raise Refusal("volume.fenced")
        return "set"
    return "set" if mine or kept.holder is None else "takeover"


def _refused(step: str, got: str) -> Refusal:
    return Refusal("volume.refused", step=step, got=got)
