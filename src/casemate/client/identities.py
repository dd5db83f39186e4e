"""Keys of people and programs: Ed25519, PKCS#8 PEM, one file each, readable by their owner alone."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from casemate.errors import IdentityError
from casemate.wire.binding import signing_key_text

__all__ = ["Identity", "create", "load", "names"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_LIMIT: Final = 64 * 1024


@dataclass(frozen=True)
class Identity:
    """`public` is `ed25519:…`."""

    name: str
    path: Path
    public: str
    key: Ed25519PrivateKey = field(repr=False)


def create(folder: Path, name: str) -> Identity:
    """A new key; never replaces one."""
    path = _path(folder, name)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise IdentityError(f"{folder}: {error.strerror}") from error
    try:
        _write_new(path, pem)
    except FileExistsError as error:
        raise IdentityError(
            f"there is an identity {name} already", got=str(path), remedy="choose another name"
        ) from error
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror}") from error
    return _identity(name, path, key)


def _write_new(path: Path, pem: bytes) -> None:
    """The whole file, or none: half a key would keep the name from being used again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink()
        raise


def load(folder: Path, name: str) -> Identity:
    """`IdentityError` where it is missing, damaged, or readable by others."""
    path = _path(folder, name)
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            pem = file.read(_LIMIT) if stat.S_ISREG(mode) else b""
    except FileNotFoundError as error:
        raise IdentityError(f"no identity {name}", got=str(path), remedy=f"casemate identity create {name}") from error
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise IdentityError(f"{path} is not a file")
    if mode & 0o077:
        raise IdentityError(
            f"the key of {name} is open to others",
            expected="mode 0600",
            got=f"{stat.S_IMODE(mode):04o}",
            remedy=f"chmod 600 {path}; if somebody may have read it, replace the key wherever a policy names it",
        )
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityError(f"{path} is not a private key (PKCS#8 PEM, no passphrase)") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"{path} is not an Ed25519 key")
    return _identity(name, path, key)


def names(folder: Path) -> list[str]:
    """The identities in `folder`, sorted."""
    return sorted(path.stem for path in folder.glob("*.pem") if _NAME.fullmatch(path.stem))


def _path(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise IdentityError("not a name for an identity", expected="a-z, 0-9, - and _, at most 63", got=name[:80])
    return folder / f"{name}.pem"


def _identity(name: str, path: Path, key: Ed25519PrivateKey) -> Identity:
    return Identity(name, path, signing_key_text(key.public_key().public_bytes_raw()), key)
