"""Keys of 32 bytes in files, for use without a custodian. Whoever reads the file reads what the key seals."""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.errors import UsageError

__all__ = ["KeyFile"]

_LARGEST: Final = 256
_OTHERS: Final = 0o077


@dataclass(frozen=True)
class KeyFile:
    """One kind of key: `what` it is to people, and what its files begin with."""

    what: str

    @property
    def prefix(self) -> str:
        return f"casemate-{self.what.replace(' ', '-')}:v1:"

    def create(self, path: Path) -> None:
        """Writes a new key of 32 random bytes. Errors: UsageError when the file exists or cannot be written."""
        text = self.prefix + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=") + "\n"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError as error:
            raise UsageError(f"{path} exists", remedy="use it, or name another file") from error
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error

    def load(self, path: Path) -> str:
        """The key as base64url. Errors: UsageError, also where others than the owner may read the file."""
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(_LARGEST)
        except OSError as error:
            raise UsageError(f"the key file {path}: {error.strerror}") from error
        if mode & _OTHERS:
            raise UsageError(f"others may read the key file {path}", remedy=f"chmod 600 {path}")
        found = re.fullmatch(rf"{self.prefix}([A-Za-z0-9_-]{{43}})\n?", data.decode("ascii", "replace"))
        if found is None or not _is_canonical(found[1]):
            raise UsageError(f"{path} is no {self.what}", expected=f"{self.prefix} and 43 characters of base64url")
        return found[1]


def _is_canonical(text: str) -> bool:
    """The bits of the last character that no byte uses are zero."""
    try:
        decoded = base64.urlsafe_b64decode(text + "=")
    except binascii.Error:
        return False
    return base64.urlsafe_b64encode(decoded).decode().rstrip("=") == text
