"""The master key: random, sealed by the platform to runtime and manifest, nowhere else.

master.sealed: 1 byte format (1) ‖ 12 bytes nonce ‖ AES-256-GCM of 32 bytes,
               key = HKDF(platform's sealing key, "casemate/custodian-master/v1")
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from casemate.custodian import host_files
from casemate.custodian.store.cipher import derived_key
from casemate.errors import StoreError, StoreKeyError

__all__ = ["MASTER_FILE", "create_master", "open_master"]

MASTER_FILE: Final = "master.sealed"
_FORMAT: Final = b"\x01"
_NONCE: Final = 12
_SEALED: Final = 1 + _NONCE + 32 + 16
_LABEL: Final = b"casemate/custodian-master/v1"


def create_master(folder: Path, sealing_key: bytes) -> bytes:
    """A new master key (32 bytes), sealed into `folder`, durable when this returns."""
    master, nonce = secrets.token_bytes(32), secrets.token_bytes(_NONCE)
    sealed = _FORMAT + nonce + _cipher(sealing_key).encrypt(nonce, master, _LABEL)
    try:
        host_files.write_file(folder / MASTER_FILE, sealed, replace=True)
    except OSError as error:
        raise StoreError(f"the master key cannot be written: {error.strerror}", step="keys.master") from error
    return master


def open_master(folder: Path, sealing_key: bytes) -> bytes:
    """`StoreKeyError` where the platform's key is not the one that sealed it."""
    path = folder / MASTER_FILE
    try:
        sealed = host_files.read_file(path, _SEALED)
    except FileNotFoundError as error:
        raise StoreError(
            "there is no custodian in this folder", step="keys.master", got=path.name,
            remedy="initialise one: casemate custodian init; or put the folder's content back",
        ) from error  # fmt: skip
    except OSError as error:
        raise StoreError(f"the master key cannot be read: {error.strerror}", step="keys.master") from error
    nonce, ciphertext = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
    try:
        if sealed[:1] != _FORMAT:
            raise InvalidTag
        return _cipher(sealing_key).decrypt(nonce, ciphertext, _LABEL)
    except (InvalidTag, ValueError) as error:
        raise StoreKeyError(
            "this custodian is not the one that sealed the store: its runtime, its manifest or the machine is another",
            step="keys.master",
            remedy="run the release, and on the machine, that the store was made with",
        ) from error


def _cipher(sealing_key: bytes) -> AESGCM:
    return AESGCM(derived_key(sealing_key, _LABEL))
