"""The output keys of this user: one for each service of each policy, below `$CASEMATE_HOME/output-keys`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli import _genesis
from casemate.cli._home import home
from casemate.cli._service_keys import ServiceKeys
from casemate.cli.manifest._options import reference
from casemate.output import key
from casemate.wire.manifest import PolicyBinding
from casemate.wire.policies import PolicyGenesis

__all__ = ["KEYS", "KeyFile", "Policy", "bound"]

KEYS: Final = ServiceKeys(
    "output-keys",
    key.create,
    key.load,
    "Output key made: {}. Whoever reads it reads the output; without it, nobody does.",
)

Policy = Annotated[str, typer.Option(help="Policy and service, as acme/records#api.")]
KeyFile = Annotated[Path | None, typer.Option("--key-file", help="The output key. Else that of the service.")]


def bound(text: str) -> tuple[PolicyBinding, PolicyGenesis]:
    """`acme/records#api`, whose genesis record is kept here. Errors: UsageError."""
    name, service = reference(text)
    genesis = _genesis.find(home() / "policies", name)
    return PolicyBinding(name=name, genesis=genesis.identity(), service=service), genesis
