"""Endorsements in a folder: one file each, under the name that `Wanted` gives it.

Nothing in it is secret and nothing in it is believed: verifiers judge what comes out as they judge what came with the
evidence, so a host that changes the folder can make evidence fail, and no more. That it serves an old one is noticed
by floors (`Expected.floors`).
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final

from casemate.attestation.catalogue import FORMATS
from casemate.endorsements.facts import MAX_ENTRY_BYTES, Facts, facts_of, is_list
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
    REPLACED = "older, and taken since it was asked for anew"


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
            with open(path, "rb", opener=_open) as file:
                # What is no file may have nothing to read yet.
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return None
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

    def put(self, name: str, data: bytes, *, anew: bool = False) -> Kept:
        """Keeps it unless what is there is newer, or does not say the truth of itself: `anew`, from the vendor, always.

        Errors: EndorsementError for what it is not, UsageError.
        """
        new, old = facts_of(check_name(name), data), self.facts(name)
        if old is not None and new.rank <= old.rank and not (anew and new.rank < old.rank):
            return Kept.SAME if new.rank == old.rank else Kept.OLDER
        path = self.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, data)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        if old is None:
            return Kept.NEW
        return Kept.NEWER if new.rank > old.rank else Kept.REPLACED

    def completed(self, evidence: Evidence, came: Endorsements) -> Endorsements:
        """`came`, behind what the cache has for this evidence; which of two is newer is the verifier's to see.

        Nothing that came can take the place of what the cache has: there is an end to how much is looked at, and what
        is ours is looked at first. Where nothing is wanted for such evidence, or it is none, `came` alone remains; then
        the verifier knows another root, or refuses.
        """
        known = FORMATS.get(evidence.format)
        try:
            wanted = () if known is None else known.wanted(evidence.report, came)
        except CasemateError:
            return came  # the verifier says what is wrong with it
        if known is None or not wanted:
            return came
        names = [*(one.name for one in wanted), *sorted({one.chain[1] for one in wanted if one.chain is not None})]
        found = {name: data for name in names if (data := self._readable(name)) is not None}
        if not found:
            return came
        lists = [data for name, data in found.items() if is_list(name)]
        documents = [data for name, data in found.items() if name.endswith(".json")]
        certificates = [data for name, data in found.items() if not is_list(name) and not name.endswith(".json")]
        return Endorsements(
            certificates=known.joined(came.certificates, certificates),
            crls=[*lists, *came.crls][:MAX_CRLS],
            documents=[*documents, *came.documents][:MAX_DOCUMENTS],
        )

    def _readable(self, name: str) -> bytes | None:
        """The entry, where it is one."""
        data = self.get(name)
        return data if data is not None and self.facts(name) is not None else None


def _open(path: str, flags: int) -> int:
    """Non-blocking, and no links: on a host's disk anything may be in a file's place."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


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
