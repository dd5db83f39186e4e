"""Encryption of single values: nothing repeats after a crash, a rollback or a cloned machine.

Each opening of a store makes an epoch of 32 random bytes; its key is HKDF(master key, epoch); nonces count up. A sealed
value is

    1 byte   format (1)
    32       epoch
    12       nonce: 4 zero bytes, counter (8 bytes, big-endian)
    n + 16   AES-256-GCM of the value

with the associated data `bind(label, what, number)`: a value never serves under another key or revision.
"""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from casemate.errors import StoreTamperedError
from casemate.wire.binding import bind

__all__ = ["ValueCipher", "derived_key"]

_FORMAT: Final = b"\x01"
_EPOCH: Final = 32
_NONCE: Final = 12
_HEAD: Final = 1 + _EPOCH + _NONCE
_MAX_EPOCHS: Final = 4096
"""Keys of old epochs that are remembered: one for each start of the custodian whose rows are still there."""


def derived_key(master: bytes, label: bytes, salt: bytes = b"") -> bytes:
    """32 bytes for one purpose."""
    return HKDF(hashes.SHA256(), 32, salt=salt or None, info=label).derive(master)


class ValueCipher:
    def __init__(self, master: bytes) -> None:
        self._master = master
        self._epoch = secrets.token_bytes(_EPOCH)
        self._counter = 0
        self._ciphers: dict[bytes, AESGCM] = {}

    def seal(self, value: bytes, *, label: bytes, what: bytes, number: int) -> bytes:
        self._counter += 1
        nonce = self._counter.to_bytes(_NONCE, "big")
        data = _associated(label, what, number)
        return _FORMAT + self._epoch + nonce + self._cipher(self._epoch).encrypt(nonce, value, data)

    def open(self, sealed: bytes, *, label: bytes, what: bytes, number: int) -> bytes:
        """`StoreTamperedError` unless it was sealed under these very names."""
        epoch, nonce = sealed[1 : 1 + _EPOCH], sealed[1 + _EPOCH : _HEAD]
        try:
            if sealed[:1] != _FORMAT or len(sealed) < _HEAD:
                raise InvalidTag
            return self._cipher(epoch).decrypt(nonce, sealed[_HEAD:], _associated(label, what, number))
        except InvalidTag as error:
            raise StoreTamperedError(
                "a value of the store does not authenticate",
                step="store.value",
                got=what.decode(errors="replace"),
                remedy="somebody changed the database: put back the newest one, and look at who can write there",
            ) from error

    def _cipher(self, epoch: bytes) -> AESGCM:
        cipher = self._ciphers.get(epoch)
        if cipher is None:
            if len(self._ciphers) >= _MAX_EPOCHS:
                self._ciphers.clear()
            cipher = AESGCM(derived_key(self._master, b"casemate/store-epoch/v1", epoch))
            self._ciphers[epoch] = cipher
        return cipher


def _associated(label: bytes, what: bytes, number: int) -> bytes:
    return bind(label, what, number.to_bytes(8, "big"))
