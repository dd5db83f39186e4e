"""Genesis records of policies that this user made or uses, below `$CASEMATE_HOME/policies`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from casemate.errors import InputError, PolicyError, UsageError
from casemate.wire import canonical
from casemate.wire.policies import PolicyGenesis

__all__ = ["checked_name", "custodian_of", "find", "keep", "known"]

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}")
_SUFFIX: Final = ".genesis.json"


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            "not a policy's name", expected="namespace/name, like acme/records: a-z, 0-9 and -", got=name[:140]
        )
    return name


def keep(folder: Path, genesis: PolicyGenesis) -> Path:
    """Writes a record; refuses to replace another one of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, genesis.policy)
    data = canonical.encode(genesis.to_object())
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        if path.read_bytes() != data:
            raise PolicyError(
                f"there is already another genesis record for {genesis.policy}",
                step="policy.genesis",
                got=str(path),
                remedy="a policy's genesis never changes: take another name, or move that file away",
            ) from error
    return path


def find(folder: Path, name: str) -> PolicyGenesis:
    path = _path(folder, checked_name(name))
    if not path.exists():
        raise UsageError(f"no genesis record of {name} here", remedy=f"make one: casemate policy init {name}")
    return _read(path)


def custodian_of(folder: Path, policy: str) -> str | None:
    """Whom the kept record of `policy` names; None without a record.

    `policy` is a name or the hash of the genesis (`sha256:…`), of which the first digits are enough.
    """
    if not policy.startswith("sha256:"):
        path = _path(folder, checked_name(policy))
        return _read(path).custodian if path.exists() else None
    kept = (_read(path) for path in sorted(folder.glob(f"*{_SUFFIX}")))
    return next((genesis.custodian for genesis in kept if genesis.identity().startswith(policy)), None)


def known(data: bytes) -> PolicyGenesis:
    return canonical.parse_record(PolicyGenesis, data, what="genesis")


def _read(path: Path) -> PolicyGenesis:
    try:
        return known(path.read_bytes())
    except InputError as error:
        raise PolicyError(
            f"{path} is not a genesis record: {error.message}",
            step="policy.genesis",
            remedy="move that file away; policies that exist are known to their custodian",
        ) from error


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', '__')}{_SUFFIX}"
