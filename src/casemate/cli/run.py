from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli._custodians import Custodian, chosen
from casemate.cli._files import read_bytes
from casemate.cli._home import agent_socket, shield
from casemate.cli._output import JsonFailure
from casemate.cli._supervising import wait
from casemate.cli.image._running import runnable
from casemate.cli.manifest._options import environment, folders, new_folders, values
from casemate.client.addresses import literal_addresses
from casemate.machine.launch import start
from casemate.manifest.bundle import host_holes, launch_bundle
from casemate.simulator.launch import launch
from casemate.simulator.running import Running
from casemate.wire import canonical


def run(
    which: Annotated[str, typer.Argument(help="Policy and service, as acme/records#api, or a manifest file.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="After `--`: must fit the manifest.")] = None,
    image: Annotated[
        str | None, typer.Option(help="Where the protected image is that the manifest is in, as oci:FOLDER:TAG.")
    ] = None,
    hole: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for a hole that the host fills.")] = None,
    mount: Annotated[list[str] | None, typer.Option(help="/path/inside=/folder/of/this/host.")] = None,
    volume: Annotated[
        list[str] | None, typer.Option(help="/path/inside=/folder: where the sealed volume's files are; made if new.")
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE; what the manifest does not fix is dropped.")
    ] = None,
    statement: Annotated[
        list[Path] | None, typer.Option(help="A release statement, if the policy admits by release; may be repeated.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Where the custodian is reached, if not at its pinned URL.")
    ] = None,
    tpm: Annotated[
        Path | None,
        typer.Option(help="Start it on this machine's TPM, a device or a socket, instead of the simulated platform."),
    ] = None,
    timings: Annotated[bool, typer.Option("--timings", help="Have the shield print how long it took.")] = False,
    custodian: Custodian = None,
    _as_json: JsonFailure = False,
) -> None:
    """Run a workload under the shield: it gets its secrets only after it proved what it is.

    Ends with the workload's exit status. Example: `casemate run acme/records#api`
    """
    given = [read_bytes(file) for file in statement or []]
    with runnable(which, image) as (built, layers, attached):
        pin = chosen(custodian, identity=built.parsed.manifest.custodian)
        bundle = launch_bundle(
            built,
            genesis=canonical.encode(pin.genesis.to_object()),
            addresses=literal_addresses(address or pin.url),
            holes=host_holes(built.parsed.manifest, arguments or [], values(hole or [])),
            mounts=folders(mount or []),
            volumes=new_folders(volume or []),
            layers=layers,
            statements=given or attached,
        )
        started = _started(
            tpm,
            built.parsed.digest,
            bundle=bundle,
            arguments=["--timings"] if timings else [],
            environment=environment(env or []),
        )
        status = wait(started)
    raise typer.Exit(status)


def _started(
    tpm: Path | None, digest: str, *, bundle: bytes, arguments: list[str], environment: dict[str, str]
) -> Running:
    if tpm is not None:
        return start(tpm, shield=shield(), bundle=bundle, arguments=arguments, environment=environment, stdio=(0, 1, 2))
    return launch(
        agent_socket(),
        shield=shield(),
        host_data=bytes.fromhex(digest.removeprefix("sha256:")),
        bundle=bundle,
        arguments=arguments,
        environment=environment,
        stdio=(0, 1, 2),
    )
