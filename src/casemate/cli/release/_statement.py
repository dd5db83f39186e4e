"""Release statements in files, and what people see of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from casemate.cli._connecting import identity
from casemate.cli._files import read_bytes
from casemate.client.identities import Identity
from casemate.errors import InputError, SignatureError, UsageError
from casemate.wire.statements import SignedStatement, open_statement

__all__ = ["described", "facts", "load", "signers"]


def load(file: Path) -> tuple[bytes, SignedStatement]:
    """What is in the file, and what it says: read once, so that both are the same."""
    data = read_bytes(file)
    try:
        return data, open_statement(data)
    except (InputError, SignatureError) as error:
        raise UsageError(
            f"{file} is no release statement: {error.message}",
            expected=error.expected,
            got=error.got,
            remedy="take the file that `casemate release create` wrote, unchanged",
        ) from error


def signers(names: list[str] | None) -> list[Identity]:
    """Identities that sign, none twice; without names the only one there is."""
    wanted: list[str | None] = list(dict.fromkeys(names)) if names else [None]
    found = [identity(name) for name in wanted]
    if len({one.public for one in found}) != len(found):
        raise UsageError("two of these identities are one key", remedy="name each signer once")
    return found


def facts(opened: SignedStatement) -> dict[str, Any]:
    """For scripts."""
    predicate = opened.statement.predicate.to_object()
    return {
        "release": predicate["name"],
        "version": predicate["version"],
        "kind": predicate["kind"],
        "issued": predicate["issued"],
        "expires": predicate["expires"],
        "subjects": [{"name": one.name, "digest": one.digest.text} for one in opened.statement.subject],
        "references": predicate.get("references", []),
        "signers": sorted(opened.signers),
    }


def described(found: dict[str, Any]) -> str:
    """For people."""
    lines = [f"{name}: {found[name]}" for name in ("release", "version", "kind", "issued", "expires")]
    lines += [f"subject: {one['name']} {one['digest']}" for one in found["subjects"]]
    for one in found["references"]:
        lines += [f"reference: {one['name']} {name}:{digest}" for name, digest in one["digest"].items()]
    return "\n".join([*lines, *(f"signed by: {key}" for key in found["signers"])])
