from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from casemate.cli import _genesis
from casemate.cli._custodians import chosen
from casemate.cli._files import program_path
from casemate.cli._home import home
from casemate.cli._output import Json, emit, progress
from casemate.cli.manifest import _options
from casemate.cli.manifest._options import RaTls
from casemate.manifest import build as builder
from casemate.manifest import library
from casemate.manifest.closure import add_program
from casemate.manifest.root import Root
from casemate.wire.manifest import PolicyBinding


def build(
    command: Annotated[list[str], typer.Argument(help="The program and its arguments, after `--`.")],
    policy: Annotated[str, typer.Option(help="Policy and service, as acme/records#api.")],
    include: Annotated[list[Path] | None, typer.Option(help="A file or folder that the program opens by name.")] = None,
    hole: Annotated[list[str] | None, typer.Option(help="NAME=PATTERN (policy fills it) or host:NAME=PATTERN.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE; the workload gets no other variables.")] = None,
    file: Annotated[list[str] | None, typer.Option(help="A path below /run that the policy may fill.")] = None,
    writable: Annotated[list[str] | None, typer.Option(help="PATH[:MODE[:SIZE]], an empty folder in memory.")] = None,
    mount: Annotated[list[str] | None, typer.Option(help="PATH[:read|write], an untrusted folder of the host.")] = None,
    volume: Annotated[list[str] | None, typer.Option(help="A path at which the policy mounts a volume.")] = None,
    ra_tls: RaTls = None,
    user: Annotated[str | None, typer.Option(help="UID:GID; without it the policy says.")] = None,
    workdir: Annotated[str, typer.Option(help="Working directory.")] = "/",
    custodian: Annotated[str | None, typer.Option(help="A pinned custodian.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Also write the manifest here.")] = None,
    as_json: Json = False,
) -> None:
    """Collect what a program needs, with digests, into a launch manifest.

    Example: `casemate manifest build --policy acme/records#api --file /run/r.conf -- redis-server /run/r.conf`
    """
    name, service = _options.reference(policy)
    genesis = _genesis.find(home() / "policies", name)
    pin = chosen(custodian, identity=genesis.custodian)
    program = program_path(command[0])
    plan = builder.Plan(
        entrypoint=[str(program)],
        arguments=command[1:],
        custodian=pin.identity,
        policy=PolicyBinding(name=name, genesis=genesis.identity(), service=service),
        environment=_options.environment(env or []),
        holes=_options.holes(hole or []),
        files=file or [],
        writable=_options.writables(writable or []),
        mounts=_options.mounts(mount or []),
        volumes=_options.volumes(volume or []),
        ra_tls=_options.ra_tls(ra_tls),
        user=_options.user(user),
        working_directory=workdir,
    )
    root = Root()
    with progress(f"collecting what {program} needs", quiet=as_json):
        add_program(root, program)
        for path in include or []:
            root.add_path(path.absolute())
    built = builder.build(plan, root)
    kept = library.save(home() / "manifests", built)
    if output is not None:
        output.write_bytes(built.parsed.data)
    emit(
        {
            "manifest": built.parsed.digest,
            "files": len(built.parsed.manifest.root),
            "bytes": sum(getattr(entry, "size", 0) for entry in built.parsed.manifest.root),
            "path": str(output or kept),
        },
        as_json=as_json,
    )
