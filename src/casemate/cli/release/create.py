from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli._files import write_new
from casemate.cli._home import shield
from casemate.cli._output import Json, emit
from casemate.cli.image._running import manifest_of
from casemate.cli.release._statement import described, facts, signers
from casemate.client.releases import sign, write_statement
from casemate.errors import MalformedError, UsageError
from casemate.simulator import launch
from casemate.wire.durations import parse_duration
from casemate.wire.fields import format_time
from casemate.wire.statements import open_statement

_LEAST: Final = timedelta(hours=1)
_MOST: Final = timedelta(days=3650)
_MEASURED: Final = re.compile(r"([a-z0-9-]{1,64})=(sha384:[0-9a-f]{96})")
_REFERENCE: Final = re.compile(r"([^=]+)=([A-Za-z0-9]{1,32}):([0-9a-f]{32,128})")


def create(
    release: Annotated[str, typer.Argument(help="The release's name, as acme/records.")],
    version: Annotated[str, typer.Argument(help="One to four numbers with dots, as 1.4.")],
    which: Annotated[
        list[str] | None, typer.Argument(help="What it consists of: acme/records#api, a manifest file or digest.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Where the protected image is whose manifest this is, as oci:FOLDER:TAG.")
    ] = None,
    runtime: Annotated[
        bool, typer.Option("--runtime", help="This machine's shield, as the simulated platforms measure it.")
    ] = False,
    measured: Annotated[
        list[str] | None, typer.Option(help="PLATFORM=sha384:…, the runtime as that platform measures it.")
    ] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help="NAME=ALGORITHM:DIGEST of what belongs to it: its source, its SBOM.")
    ] = None,
    valid_for: Annotated[str, typer.Option(help="How long the statement counts.")] = "90d",
    out: Annotated[Path | None, typer.Option(help="The file; else NAME-VERSION.json here.")] = None,
    signer: Annotated[list[str] | None, typer.Option("--as", help="An identity that signs; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Write down what a version of a release consists of, and sign it. Policies that name the release admit it then.

    Example: `casemate release create acme/records 1.4 acme/records#api --image oci:api:1-protected --as alice`
    """
    subjects = _workload(which or [], image) + _runtimes(measured or [], runtime=runtime)
    if not subjects:
        raise UsageError(
            "nothing is released", remedy="name a service or a manifest, or --runtime, or --measured PLATFORM=sha384:…"
        )
    issued = datetime.now(UTC).replace(microsecond=0)
    references = [_referred(text) for text in reference or []]
    try:
        statement = write_statement(
            subjects,
            name=release,
            version=version,
            kind="workload" if which else "runtime",
            issued=format_time(issued),
            expires=format_time(issued + parse_duration(valid_for, least=_LEAST, most=_MOST)),
            **({"references": references} if references else {}),
        )
    except MalformedError as error:
        raise UsageError(error.message, expected=error.expected, got=error.got, remedy=error.remedy) from error
    path = out or Path(f"{release.replace('/', '-')}-{version}.json")
    signed = sign(statement, [one.key for one in signers(signer)])
    write_new(path, signed, otherwise=f"name another file, or add a signature: casemate release sign {path}")
    found = facts(open_statement(signed))
    emit({**found, "path": str(path)}, as_json=as_json, text=f"{described(found)}\npath: {path}")


def _workload(which: list[str], image: str | None) -> list[tuple[str, str]]:
    if image is not None and len(which) != 1:
        raise UsageError("an image has one manifest", remedy="name the service that it is for, as acme/records#api")
    subjects = []
    for one in which:
        parsed = manifest_of(one, image)
        binding = parsed.manifest.policy
        if binding is None:
            raise UsageError(f"{one} is the manifest of a custodian", remedy="release workloads by their manifests")
        subjects.append((f"{binding.name}#{binding.service}", parsed.digest))
    return subjects


def _runtimes(measured: list[str], *, runtime: bool) -> list[tuple[str, str]]:
    subjects = []
    if runtime:
        subjects.append(("simulated", launch.measure(shield())))
        subjects.append(("simulated-container", launch.measure(shield(), containers=True)))
    for text in measured:
        match = _MEASURED.fullmatch(text)
        if match is None:
            raise UsageError("not a measurement", expected="PLATFORM=sha384: and 96 hex digits", got=text[:160])
        subjects.append((match[1], match[2]))
    return subjects


def _referred(text: str) -> dict[str, object]:
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError("not a reference", expected="NAME=ALGORITHM:DIGEST, as sbom=sha256:…", got=text[:200])
    return {"name": match[1], "digest": {match[2]: match[3]}}
