from __future__ import annotations

from typing import Annotated

import typer

from casemate.cli.custodian import _host
from casemate.cli.custodian._measured import DEFAULT_HOLES
from casemate.cli.run import wait


def serve(
    name: Annotated[str, typer.Argument(help="A custodian of this host.")],
    address: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULT_HOLES["address"],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = int(DEFAULT_HOLES["port"]),
    workers: Annotated[int, typer.Option(min=1, max=99, help="Processes that answer.")] = int(DEFAULT_HOLES["workers"]),
) -> None:
    """Run a custodian under the shield until it is stopped. Example: `casemate custodian serve main --port 7700`"""
    holes = {"command": "serve", "address": address, "port": str(port), "workers": str(workers)}
    raise typer.Exit(wait(_host.start(_host.load(name), holes, (0, 1, 2))))
