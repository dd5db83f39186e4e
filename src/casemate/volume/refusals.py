"""What a volume refuses, as an error: from the one word that the Rust side gives each kind (`Error::code`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from casemate.errors import (
    CasemateError,
    UsageError,
    VolumeError,
    VolumeExistsError,
    VolumeInUseError,
    VolumeMissingError,
    VolumeRolledBackError,
    VolumeTamperedError,
)

__all__ = ["refusal"]

_KINDS: Final[Mapping[str, tuple[type[VolumeError], str | None]]] = {
    "tampered": (VolumeTamperedError, "use the key that the volume was made with, or a copy that nobody changed"),
    "unsupported": (VolumeError, None),
    "rolled-back": (VolumeRolledBackError, None),
    "wrong-volume": (VolumeRolledBackError, "name the folder and the anchor of one volume"),
    "missing": (VolumeMissingError, "make one with: casemate volume create"),
    "occupied": (VolumeExistsError, "mount it, or name another folder and another anchor"),
    "locked": (VolumeInUseError, "end the program that has it, or open it for reading"),
    "fenced": (VolumeInUseError, "see who else writes: each open ends the one before; then open it again"),
    "retired": (VolumeError, "name another volume: this one was closed for ever"),
    "worn-out": (VolumeError, "open it for reading, and copy it into a new volume"),
    "unfinished": (VolumeError, "run the same casemate volume copy again, or show a snapshot that it has"),
    "not-copied": (VolumeError, None),
    "anchor": (VolumeError, "see that the anchor can be reached and is the volume's, then open it again"),
    "host": (VolumeError, "see to the host's disk, then open it again"),
    "silent": (VolumeError, "look at its messages above"),
    "forked": (VolumeInUseError, "open the volume in the process that uses it"),
}


def refusal(code: str, message: str) -> CasemateError:
    """The error for a refusal. `code` is one word; an unknown one makes a VolumeError."""
    if code == "usage":
        return UsageError(message)
    kind, remedy = _KINDS.get(code, (VolumeError, None))
    return kind(message, step=f"volume.{code}", remedy=remedy)
