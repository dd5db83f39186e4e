from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli._home import home, platform_folder, shield
from casemate.cli._output import Json, emit, progress
from casemate.cli._principals import at_least, principals
from casemate.cli.custodian import _host
from casemate.cli.custodian._holes import DEFAULT_HOLES
from casemate.cli.custodian._host import CustodianHost, save, start
from casemate.cli.custodian._measured import custodian_manifest
from casemate.client import pins
from casemate.client.addresses import parse_address
from casemate.errors import CustodianError, UsageError
from casemate.manifest import library
from casemate.simulator import launch, pki
from casemate.wire import canonical
from casemate.wire.custodian import Board, CustodianGenesis
from casemate.wire.fields import b64u_decode

_MAX_ANSWER: Final = 64 * 1024


def init(
    name: Annotated[str, typer.Argument(help="The custodian's name.")],
    data: Annotated[Path, typer.Option(help="A new folder for its sealed database.")],
    anchor: Annotated[Path, typer.Option(help="A new folder for its anchor; outside the data folder.")],
    board: Annotated[list[str], typer.Option(help="An identity here, or NAME=ed25519:…; may be repeated.")],
    approvals: Annotated[int, typer.Option(help="How many of the board must approve.")] = 1,
    url: Annotated[str, typer.Option(help="Where it will be reached.")] = "http://127.0.0.1:7700",
    container: Annotated[
        bool,
        typer.Option("--container", help="Only fill the folders: a container of casemate/custodian does the rest."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a custodian: measure it, launch it once, let it make its identity, and pin that here.

    With `--container` nothing is launched here: start casemate/custodian with the folders, once with the variable
    CASEMATE_HOLE_command=init and then without, and pin it: `casemate custodian attest NAME --url URL --pin`.

    Example: `casemate custodian init main --data /srv/custodian --anchor /srv/anchor --board alice`
    """
    _check_free(name)
    parse_address(url)
    _check_folders(data, anchor)
    request = _request(name, board, approvals)
    if container:
        with _new_folders(data, anchor):
            (data / "init.json").write_text(request)
        emit({"custodian": name, "data": str(data.absolute()), "anchor": str(anchor.absolute())}, as_json=as_json)
        return
    with progress("measuring the custodian", quiet=as_json):
        built = custodian_manifest(home() / "cache" / "pyc")
        library.save(home() / "manifests", built)
    host = CustodianHost(name, str(data.absolute()), str(anchor.absolute()), built.parsed.digest)
    with progress("making its identity", quiet=as_json), _new_folders(data, anchor):
        (data / "init.json").write_text(request)
        genesis = _first_run(host)
    pin = pins.Pin(
        name=name,
        url=url,
        genesis=genesis,
        runtime=launch.measure(shield()),
        manifest=built.parsed.digest,
        platform="simulated",
    )
    pins.save(home() / "custodians", pin)
    save(host)
    emit(
        {
            "custodian": name,
            "identity": genesis.identity(),
            "runtime": pin.runtime,
            "manifest": pin.manifest,
            "data": host.data,
            "anchor": host.anchor,
            "anchor_kind": "insecure_file",
        },
        as_json=as_json,
    )


def _request(name: str, board: list[str], approvals: int) -> str:
    """What it is told at its first run."""
    members = principals(board)
    return json.dumps(
        {
            "name": name,
            "board": Board(principals=members, rule=at_least(approvals, members)).to_object(),
            "simulation_root": pki.load(platform_folder()).root_fingerprint,
            "container_simulation_root": pki.load(pki.containers(platform_folder())).root_fingerprint,
        }
    )


def _check_free(name: str) -> None:
    if _host.exists(name) or pins.exists(home() / "custodians", name):
        raise UsageError(f"there is a custodian {name} already", remedy="choose another name")


def _check_folders(data: Path, anchor: Path) -> None:
    inner, outer = anchor.absolute(), data.absolute()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise UsageError(
            "data and anchor lie in one another",
            remedy="put the anchor where a backup or a copy of the data does not take it along",
        )
    for folder in (data, anchor):
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", remedy="name a new folder")


@contextmanager
def _new_folders(*folders: Path) -> Iterator[None]:
    """Makes the folders; where no custodian comes to be in them, they are left as they were, and can be used again."""
    there = {folder: folder.exists() for folder in folders}
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            if there[folder]:
                folder.mkdir(mode=0o700, exist_ok=True)
        raise


def _first_run(host: CustodianHost) -> CustodianGenesis:
    read_end, write_end = os.pipe()
    with (
        open(os.devnull) as nothing,
        os.fdopen(read_end, "rb") as answers,
        start(host, {**DEFAULT_HOLES, "command": "init"}, (nothing.fileno(), write_end, 2)) as started,
    ):
        os.close(write_end)
        output = answers.read(_MAX_ANSWER)
        status = started.wait()
    if status != 0:
        raise CustodianError("the custodian could not be initialised", got=f"exit status {status}",
                             remedy="its own message is above")  # fmt: skip
    record = b64u_decode(json.loads(output)["genesis"])
    return canonical.parse_record(CustodianGenesis, record, what="genesis")
