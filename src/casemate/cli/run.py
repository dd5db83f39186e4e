from __future__ import annotations

import ipaddress
import signal
import socket
from typing import Annotated
from urllib.parse import urlsplit

import typer

from casemate.cli import _custodians
from casemate.cli._custodians import Custodian
from casemate.cli._home import agent_socket, shield
from casemate.cli.manifest._find import find
from casemate.cli.manifest._options import environment
from casemate.errors import UnreachableError, UsageError
from casemate.manifest.bundle import host_holes, launch_bundle
from casemate.simulator.launch import Launch, launch
from casemate.wire import canonical


def run(
    which: Annotated[str, typer.Argument(help="Policy and service, as acme/records#api, or a manifest file.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="After `--`: must fit the manifest.")] = None,
    hole: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for a hole that the host fills.")] = None,
    mount: Annotated[list[str] | None, typer.Option(help="/path/inside=/folder/of/this/host.")] = None,
    env: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE; what the manifest does not fix is dropped.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Where the custodian is reached, if not at its pinned URL.")
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Have the shield print how long it took.")] = False,
    custodian: Custodian = None,
) -> None:
    """Run a workload under the shield: it gets its secrets only after it proved what it is.

    Ends with the workload's exit status. Example: `casemate run acme/records#api`
    """
    built = find(which)
    pin = _custodians.chosen(custodian, identity=built.parsed.manifest.custodian)
    bundle = launch_bundle(
        built,
        genesis=canonical.encode(pin.genesis.to_object()),
        addresses=_addresses(address or pin.url),
        holes={**host_holes(built.parsed.manifest, arguments or []), **environment(hole or [])},
        mounts=environment(mount or []),
    )
    started = launch(
        agent_socket(),
        shield=shield(),
        host_data=bytes.fromhex(built.parsed.digest.removeprefix("sha256:")),
        bundle=bundle,
        arguments=["--timings"] if timings else [],
        environment=environment(env or []),
        stdio=(0, 1, 2),
    )
    raise typer.Exit(wait(started))


def wait(started: Launch) -> int:
    """Passes signals on and waits; the status is the workload's."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT):
        signal.signal(number, lambda n, _frame: started.signal(n))
    with started:
        return started.wait()


def _addresses(url: str) -> list[str]:
    """The custodian's name, resolved here: the shield believes signatures, not names."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise UsageError("shields speak plain HTTP: every answer is signed", expected="http://host:port", got=url)
    port = parts.port or 80
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise UnreachableError(f"no address for {parts.hostname}", remedy="check the pinned URL") from error
    literals = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [f"http://{f'[{a}]' if ipaddress.ip_address(a).version == 6 else a}:{port}" for a in literals]
