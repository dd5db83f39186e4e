"""Endorsements in a folder: one file each, under the name that `Wanted` gives it.

Nothing in it is secret and nothing in it is believed: verifiers judge what comes out as they judge what came with the
evidence, so a host that changes the folder can make evidence fail, and no more. That it serves an old one is noticed
by floors (`Expected.floors`).
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final

from casemate.attestation.catalogue import FORMATS
from casemate.endorsements.facts import MAX_ENTRY_BYTES, Facts, facts_of
from casemate.errors import CasemateError, EndorsementError, UsageError
from casemate.wire.evidence import MAX_CRLS, MAX_DOCUMENTS, Endorsements, Evidence

__all__ = ["MAX_ENTRIES", "Cache", "Kept", "check_name"]

MAX_ENTRIES: Final = 4096
"""Chips of one operator that are cached."""

_NAME: Final = re.compile(r"(amd|intel)(/[a-z0-9][a-z0-9-]{0,160}){0,4}/[a-z0-9][a-z0-9-]{0,160}\.(der|pem|json)")


class Kept(Enum):
    """What became of an entry that was put."""

    NEW = "new"
    NEWER = "newer"
    SAME = "same"
    OLDER = "older, so not taken"


def check_name(name: str) -> str:
    """Errors: EndorsementError, for a name that no cache has."""
    if not _NAME.fullmatch(name):
        raise EndorsementError("no endorsement has such a name", step="endorsements.entry", got=name[:200])
    return name


class Cache:
    """Several processes may use one folder: files appear whole, and one that is newer takes the place of the older."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes | None:
        """The entry as it lies there; None where there is none, or one that no reader takes."""
        path = self.folder / check_name(name)
        try:
            # Non-blocking, and no links: on a host's disk anything may be in its place.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(MAX_ENTRY_BYTES + 1)
        except OSError:
            return None
        return data if len(data) <= MAX_ENTRY_BYTES else None

    def facts(self, name: str) -> Facts | None:
        """None also for what cannot be read."""
        data = self.get(name)
        try:
            return None if data is None else facts_of(name, data)
        except EndorsementError:
            return None

    def names(self) -> Iterator[str]:
        """Sorted. What else lies in the folder is passed by."""
        found = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        for number, name in enumerate(sorted(name for name in found if _NAME.fullmatch(name))):
            if number == MAX_ENTRIES:
                raise UsageError(f"more than {MAX_ENTRIES} endorsements in {self.folder}")
            yield name

    def put(self, name: str, data: bytes) -> Kept:
        """Keeps it unless what is there is newer. Errors: EndorsementError for what it is not, UsageError."""
        new, old = facts_of(check_name(name), data), self.facts(name)
        if old is not None and new.rank <= old.rank:
            return Kept.SAME if new.rank == old.rank else Kept.OLDER
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, data)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        return Kept.NEW if old is None else Kept.NEWER

    def completed(self, evidence: Evidence, came: Endorsements) -> Endorsements:
        """`came`, with what the cache has for this evidence; which of two is newer is the verifier's to see.

        A certificate of the very chip is added only where none came: it has one, and the newer one need not be the
        right one. What cannot be used is left out: the verifier says what is missing.
        """
        known = FORMATS.get(evidence.format)
        try:
            wanted = () if known is None else known.wanted(evidence.report, came)
        except CasemateError:
            return came  # the verifier says what is wrong with it
        names = [one.name for one in wanted if not (one.own and came.certificates)]
        names += sorted({one.chain[1] for one in wanted if one.chain is not None})
        files = [data for name in names if (data := self.get(name)) is not None]
        if known is None or not files:
            return came
        with contextlib.suppress(CasemateError):
            cached = known.endorsements(evidence.report, [*filter(None, [came.certificates]), *files])
            return Endorsements(
                certificates=cached.certificates or came.certificates,
                crls=[*came.crls, *cached.crls][:MAX_CRLS],
                documents=[*came.documents, *cached.documents][:MAX_DOCUMENTS],
            )
        return came


def _write(path: Path, data: bytes) -> None:
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(made, 0o644)
        os.replace(made, path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
