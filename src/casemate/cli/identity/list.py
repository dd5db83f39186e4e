from __future__ import annotations

from casemate.cli._home import home
from casemate.cli._output import Json, emit, table
from casemate.client import identities


def list_identities(as_json: Json = False) -> None:
    """List the identities on this machine."""
    found = [identities.load(home() / "identities", name) for name in identities.names(home() / "identities")]
    if as_json:
        emit({"identities": [{"name": item.name, "key": item.public} for item in found]}, as_json=True)
    elif found:
        table(["name", "key"], [[item.name, item.public] for item in found])
    else:
        emit({}, as_json=False, text="no identities yet: casemate identity create NAME")
