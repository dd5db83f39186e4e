"""Custodians that this user verified once and trusts from then on, by identity."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from casemate.errors import CustodianError, InputError, NotGenuineError, UsageError
from casemate.wire import canonical
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.fields import Model, Sha256, Sha384

__all__ = ["Pin", "exists", "load", "names", "save"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Pin(Model):
    """`runtime` and `manifest` are what it attested when it was pinned; an upgrade changes them, never `genesis`."""

    name: str
    url: str
    genesis: CustodianGenesis
    runtime: Sha384
    manifest: Sha256
    platform: str

    @property
    def identity(self) -> str:
        return self.genesis.identity()


def save(folder: Path, pin: Pin) -> Path:
    """Writes a pin whole or not at all. Another identity under a name that is taken is refused."""
    path = _path(folder, pin.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and load(folder, pin.name).identity != pin.identity:
        raise NotGenuineError(
            f"another custodian is pinned as {pin.name}",
            step="custodian.pin",
            expected=load(folder, pin.name).identity,
            got=pin.identity,
            remedy=f"a custodian never changes its identity: choose another name, or remove {path} on purpose",
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(canonical.encode(pin.to_object()))
    temporary.replace(path)
    return path


def load(folder: Path, name: str) -> Pin:
    path = _path(folder, name)
    try:
        value = canonical.decode(path.read_bytes())
        return canonical.parse_model(Pin, value, what="pin")
    except FileNotFoundError as error:
        raise UsageError(
            f"no custodian is pinned as {name}", remedy=f"casemate custodian attest {name} --url URL --pin"
        ) from error
    except (OSError, InputError) as error:
        raise CustodianError(f"the pin {path} cannot be read: {error}", remedy="pin it again") from error


def exists(folder: Path, name: str) -> bool:
    return _path(folder, name).exists()


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))


def _path(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError("not a name for a custodian", expected="a-z, 0-9, - and _, at most 63", got=name[:80])
    return folder / f"{name}.json"
