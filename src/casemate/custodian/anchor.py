"""The anchor: a place outside the data folder that remembers the newest state.

This one is a file. Root can roll it back together with the data, so it is called `insecure_file` everywhere it shows.
Two slots are written in turn, so that a torn write leaves the other; a state counts only after it is flushed. Of the
slots that authenticate, the one with the higher `write` was written later.

    slot (512 bytes): canonical JSON {"casemate_anchor":1,"write":N,"sequence":N,"state":"sha256:…","running":bool}
                      ‖ zeros, the last 32 bytes HMAC-SHA-256 over the rest
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import Final, Literal

from casemate.custodian import host_files
from casemate.custodian.store.cipher import derived_key
from casemate.errors import InputError, StoreError, StoreRolledBackError, StoreTamperedError
from casemate.wire import canonical
from casemate.wire.custodian import StateReference
from casemate.wire.fields import Model

__all__ = ["ANCHOR_KIND", "FileAnchor"]

ANCHOR_KIND: Final = "insecure_file"
_SLOT: Final = 512
_MAC: Final = 32
_REMEDY: Final = "put the anchor back; or have the board accept the store: casemate custodian restore"


class _Record(Model):
    casemate_anchor: Literal[1]
    write: int
    sequence: int
    state: str
    running: bool


class FileAnchor:
    """The anchor at `path`, which must authenticate. Locked: two custodians never write one anchor."""

    def __init__(self, path: Path, master: bytes) -> None:
        self._key = _anchor_key(master)
        self._descriptor = _opened(path)
        try:
            host_files.lock(self._descriptor, what="anchor", step="anchor.lock")
            self._last, self._turn = self._read()
        except BaseException:
            os.close(self._descriptor)
            raise

    @classmethod
    def create(cls, path: Path, master: bytes, state: StateReference) -> None:
        """Makes the file, which must not be there, and says `state` in it, as after a clean stop. `StoreError`."""
        record = _Record(casemate_anchor=1, write=1, sequence=state.sequence, state=state.state, running=False)
        # The second slot has its place from the start: a full disk cannot take it away later.
        data = _slot(_anchor_key(master), record).ljust(2 * _SLOT, b"\0")
        try:
            host_files.write_file(path, data, replace=False)
        except OSError as error:
            raise StoreError(f"the anchor cannot be made: {error.strerror}", step="anchor.create") from error

    @property
    def state(self) -> StateReference:
        return StateReference(sequence=self._last.sequence, state=self._last.state)

    @property
    def stopped_cleanly(self) -> bool:
        return not self._last.running

    def write(self, state: StateReference, *, running: bool) -> None:
        """Durable when it returns. `StoreError` means that the state must not be acknowledged."""
        record = _Record(
            casemate_anchor=1,
            write=self._last.write + 1,
            sequence=state.sequence,
            state=state.state,
            running=running,
        )
        try:
            self._flush(_slot(self._key, record))
        except OSError as error:
            raise StoreError(f"the anchor cannot be written: {error.strerror}", step="anchor.write") from error
        self._turn = 1 - self._turn
        self._last = record

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _flush(self, slot: bytes) -> None:
        written = os.pwrite(self._descriptor, slot, self._turn * _SLOT)
        if written != len(slot):
            raise OSError(0, "only a part was taken")
        os.fdatasync(self._descriptor)

    def _read(self) -> tuple[_Record, int]:
        """The record that was written last, and the slot for the next one."""
        try:
            raw = [os.pread(self._descriptor, _SLOT, number * _SLOT) for number in (0, 1)]
        except OSError as error:
            raise StoreError(f"the anchor cannot be read: {error.strerror}", step="anchor.read") from error
        records = [self._parse(slot) for slot in raw]
        found = [(record.write, number, record) for number, record in enumerate(records) if record is not None]
        if not found:
            raise StoreTamperedError("the anchor does not authenticate", step="anchor.read", remedy=_REMEDY)
        _, newest, record = max(found, key=lambda item: item[:2])
        return record, 1 - newest

    def _parse(self, raw: bytes) -> _Record | None:
        body, mac = raw[: _SLOT - _MAC], raw[_SLOT - _MAC :]
        if not hmac.compare_digest(hmac.digest(self._key, body, "sha256"), mac):
            return None
        try:
            value = canonical.decode_canonical(body.rstrip(b"\0"))
            return canonical.parse_model(_Record, value, what="anchor")
        except InputError:
            return None


def _anchor_key(master: bytes) -> bytes:
    return derived_key(master, b"casemate/anchor/v1")


def _slot(key: bytes, record: _Record) -> bytes:
    body = canonical.encode(record.to_object()).ljust(_SLOT - _MAC, b"\0")
    return body + hmac.digest(key, body, "sha256")


def _opened(path: Path) -> int:
    try:
        return host_files.open_file(path, os.O_RDWR)
    except FileNotFoundError as error:
        raise StoreRolledBackError(
            "the anchor is missing, so nobody can tell whether the store is the newest",
            step="anchor.missing",
            got=path.name,
            remedy=_REMEDY,
        ) from error
    except OSError as error:
        raise StoreError(f"the anchor cannot be opened: {error.strerror}", step="anchor.open") from error
