from __future__ import annotations

from typing import Annotated, Final

import typer

from casemate.cli._custodians import chosen
from casemate.cli._output import JsonFailure
from casemate.cli._supervising import wait
from casemate.cli.custodian import _host
from casemate.cli.custodian._holes import DEFAULT_HOLES
from casemate.client.addresses import parse_address

_HIGHEST_PORT: Final = 65535


def serve(
    name: Annotated[str, typer.Argument(help="A custodian of this host.")],
    address: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULT_HOLES["address"],
    port: Annotated[
        int | None,
        typer.Option(min=1, max=_HIGHEST_PORT, help="Port to listen on; else that of the URL it was made with."),
    ] = None,
    tls_port: Annotated[
        int,
        typer.Option(min=0, max=_HIGHEST_PORT, help="Serve TLS on this port too, with a certificate over evidence."),
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, max=99, help="Processes that answer.")] = int(DEFAULT_HOLES["workers"]),
    _as_json: JsonFailure = False,
) -> None:
    """Run a custodian under the shield until it is stopped. Example: `casemate custodian serve main --port 7700`"""
    host = _host.load(name)
    number = port or parse_address(chosen(name).url).port
    holes = {
        "command": "serve",
        "address": address,
        "port": str(number),
        "tls_port": str(tls_port),
        "workers": str(workers),
    }
    raise typer.Exit(wait(_host.start(host, holes, (0, 1, 2))))
