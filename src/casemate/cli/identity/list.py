from __future__ import annotations

from casemate.cli._home import home
from casemate.cli._output import Json, emit, table
from casemate.client import identities
from casemate.errors import IdentityError


def list_identities(as_json: Json = False) -> None:
    """List the identities on this machine. Example: `casemate identity list`"""
    found = [_entry(name) for name in identities.names(home() / "identities")]
    if as_json:
        emit({"identities": found}, as_json=True)
    elif found:
        table(["name", "key"], [[entry["name"], entry.get("key") or entry["problem"]] for entry in found])
    else:
        emit({}, as_json=False, text="no identities yet: casemate identity create NAME")


def _entry(name: str) -> dict[str, str]:
    """One key that cannot be used must not hide the others."""
    try:
        return {"name": name, "key": identities.load(home() / "identities", name).public}
    except IdentityError as error:
        return {"name": name, "problem": error.message}
