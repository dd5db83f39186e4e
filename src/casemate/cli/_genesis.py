"""Genesis records of policies that this user made or uses, below `$CASEMATE_HOME/policies`."""

from __future__ import annotations

from pathlib import Path

from casemate.errors import PolicyError, UsageError
from casemate.wire import canonical
from casemate.wire.policies import PolicyGenesis

__all__ = ["custodian_of", "find", "keep", "known"]


def keep(folder: Path, genesis: PolicyGenesis) -> Path:
    """Writes a record; refuses to replace another one of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, genesis.policy)
    data = canonical.encode(genesis.to_object())
    if path.exists() and path.read_bytes() != data:
        raise PolicyError(
            f"there is already another genesis record for {genesis.policy}",
            step="policy.genesis",
            got=str(path),
            remedy="a policy's genesis never changes: take another name, or move that file away",
        )
    path.write_bytes(data)
    return path


def find(folder: Path, name: str) -> PolicyGenesis:
    path = _path(folder, name)
    if not path.exists():
        raise UsageError(f"no genesis record of {name} here", remedy=f"make one: casemate policy init {name}")
    return known(path.read_bytes())


def custodian_of(folder: Path, policy: str) -> str | None:
    """Whom the kept record of `policy` (a name, or the hash of its genesis) names; None without a record."""
    if not policy.startswith("sha256:"):
        path = _path(folder, policy)
        return known(path.read_bytes()).custodian if path.exists() else None
    kept = (known(path.read_bytes()) for path in sorted(folder.glob("*.genesis.json")))
    return next((genesis.custodian for genesis in kept if genesis.identity() == policy), None)


def known(data: bytes) -> PolicyGenesis:
    return canonical.parse_model(PolicyGenesis, canonical.decode_canonical(data), what="genesis")


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name.replace('/', '__')}.genesis.json"
