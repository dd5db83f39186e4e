from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from casemate.cli._connecting import As
from casemate.cli._custodians import Custodian
from casemate.cli._files import program_path
from casemate.cli._output import Json, progress
from casemate.cli.image import _options
from casemate.cli.image._making import making
from casemate.cli.image._options import (
    Address,
    Capability,
    Container,
    Destination,
    Encrypt,
    Env,
    File,
    Hole,
    KeepEnv,
    KeyFile,
    Policy,
    PolicyOut,
    ReadOnly,
    Volume,
    Writable,
)
from casemate.cli.manifest._options import RaTls, reference
from casemate.image import transport
from casemate.image.original import Layer, Original
from casemate.image.programs import layer_of
from casemate.image.reading import choose
from casemate.image.settings import Settings
from casemate.image.several import ARCHITECTURES
from casemate.manifest.closure import add_program
from casemate.manifest.root import Root

_Include = Annotated[list[Path] | None, typer.Option(help="A file or folder that a program opens by name.")]
_Argument = Annotated[list[str] | None, typer.Option(help="An argument of the first program; as often as there are.")]
_Compare = Annotated[str | None, typer.Option(help="An image beside which the size is said.")]
_WhoUser = Annotated[str, typer.Option("--user", help="UID:GID.")]


def from_binary(
    programs: Annotated[list[str], typer.Argument(help="Programs of this machine; the first one is started.")],
    destination: Destination,
    policy: Policy,
    argument: _Argument = None,
    include: _Include = None,
    compare: _Compare = None,
    encrypt: Encrypt = True,
    volume: Volume = None,
    hole: Hole = None,
    env: Env = None,
    keep_env: KeepEnv = None,
    file: File = None,
    ra_tls: RaTls = None,
    workdir: Annotated[str, typer.Option(help="Working directory.")] = "/",
    writable: Writable = "64M",
    read_only: ReadOnly = False,
    user_: _WhoUser = "0:0",
    capability: Capability = None,
    key_file: KeyFile = None,
    policy_out: PolicyOut = None,
    container: Container = False,
    address: Address = None,
    custodian: Custodian = None,
    who: As = None,
    as_json: Json = False,
) -> None:
    """Make a protected image of programs of this machine and all that they need: loader, libraries, what you include.

    Example: `casemate image from-binary /usr/bin/redis-server oci:redis:1 --policy acme/records#api --user 1000:1000`
    """
    makes = making(
        *reference(policy), custodian=custodian, who=who, destination=destination, policy_out=policy_out,
        addresses=address or [], containers=container, as_json=as_json,
    )  # fmt: skip
    places = _options.volumes(volume or [])
    wanted = makes.wanted(
        encrypt=encrypt, writable=writable, read_only=read_only, volumes=places, hole=hole, env=env, keep_env=keep_env,
        file=file, ra_tls=ra_tls, capability=capability, user=user_,
    )  # fmt: skip
    with TemporaryDirectory(prefix="casemate-image-") as folder:
        scratch = Path(folder)
        with progress("collecting what they need", quiet=as_json):
            layer = _layer(programs, include or [], scratch)
        settings = Settings(
            entrypoint=[str(program_path(programs[0]))], arguments=argument or [], working_directory=workdir
        )
        result = makes.make(Original(ARCHITECTURES[0], settings, [layer]), wanted, places, key_file, scratch)
        if compare is not None:
            result |= {"compared": compare, "compared_bytes": _size(compare, scratch)}
    makes.say(result)


def _layer(programs: list[str], include: list[Path], scratch: Path) -> Layer:
    root = Root()
    for program in programs:
        add_program(root, program_path(program))
    for path in include:
        root.add_path(path.absolute())
    return layer_of(root.sorted_entries(), root.sources, scratch / "programs.tar")


def _size(image: str, scratch: Path) -> int:
    """Bytes of all its layers, as they are sent."""
    with transport.open_source(image, scratch=scratch) as source:
        return sum(layer.size for layer in choose(source, None).manifest.layers)
