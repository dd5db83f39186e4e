"""The anchor: a place outside the data folder that remembers the newest state.

This one is a file. Root can roll it back together with the data, so it is called `insecure_file` everywhere it shows.
Two slots are written in turn, so that a torn write leaves the other; a state counts only after it is flushed.

    slot (512 bytes): canonical JSON {"casemate_anchor":1,"sequence":N,"state":"sha256:…","running":bool} ‖ zeros,
                      the last 32 bytes HMAC-SHA-256 over the rest
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import Final, Literal

from casemate.custodian.store.cipher import derived_key
from casemate.errors import InputError, StoreError, StoreRolledBackError, StoreTamperedError
from casemate.wire import canonical
from casemate.wire.custodian import StateReference
from casemate.wire.fields import Model

__all__ = ["ANCHOR_KIND", "FileAnchor"]

ANCHOR_KIND: Final = "insecure_file"
_SLOT: Final = 512
_MAC: Final = 32


class _Record(Model):
    casemate_anchor: Literal[1]
    sequence: int
    state: str
    running: bool


class FileAnchor:
    """`create` makes the file, which must not be there; otherwise it must be, and must authenticate."""

    def __init__(self, path: Path, master: bytes, *, create: bool = False) -> None:
        self._key = derived_key(master, b"casemate/anchor/v1")
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
        try:
            self._descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError as error:
            raise StoreRolledBackError(
                "the anchor is missing, so nobody can tell whether the store is the newest",
                step="anchor.missing",
                got=path.name,
                remedy="put the anchor back; or have the board accept the store: casemate custodian restore",
            ) from error
        except OSError as error:
            raise StoreError(f"the anchor cannot be opened: {error.strerror}", step="anchor.open") from error
        self._turn = 0
        self._last: _Record | None = None
        if not create:
            self._last = self._read()

    @property
    def state(self) -> StateReference:
        assert self._last is not None
        return StateReference(sequence=self._last.sequence, state=self._last.state)

    @property
    def stopped_cleanly(self) -> bool:
        return self._last is not None and not self._last.running

    def write(self, state: StateReference, *, running: bool) -> None:
        """Durable when it returns. `StoreError` means that the state must not be acknowledged."""
        record = _Record(casemate_anchor=1, sequence=state.sequence, state=state.state, running=running)
        body = canonical.encode(record.to_object()).ljust(_SLOT - _MAC, b"\0")
        slot = body + hmac.digest(self._key, body, "sha256")
        try:
            os.pwrite(self._descriptor, slot, self._turn * _SLOT)
            os.fdatasync(self._descriptor)
        except OSError as error:
            raise StoreError(f"the anchor cannot be written: {error.strerror}", step="anchor.write") from error
        self._turn = 1 - self._turn
        self._last = record

    def close(self) -> None:
        os.close(self._descriptor)

    def _read(self) -> _Record:
        slots = [self._slot(number) for number in (0, 1)]
        found = [(record.sequence, record.running, number) for number, record in enumerate(slots) if record is not None]
        if not found:
            raise StoreTamperedError(
                "the anchor does not authenticate",
                step="anchor.read",
                remedy="put the anchor back; or have the board accept the store: casemate custodian restore",
            )
        # Of two slots of one sequence the one that says "stopped" was written later.
        newest = max(found, key=lambda item: (item[0], not item[1]))[2]
        self._turn = 1 - newest
        record = slots[newest]
        assert record is not None
        return record

    def _slot(self, number: int) -> _Record | None:
        raw = os.pread(self._descriptor, _SLOT, number * _SLOT)
        body, mac = raw[: _SLOT - _MAC], raw[_SLOT - _MAC :]
        if not hmac.compare_digest(hmac.digest(self._key, body, "sha256"), mac):
            return None
        try:
            value = canonical.decode_canonical(body.rstrip(b"\0"))
            return canonical.parse_model(_Record, value, what="anchor")
        except InputError:
            return None
