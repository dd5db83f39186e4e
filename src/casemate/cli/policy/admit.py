from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.cli._files import read_bytes, replace_text
from casemate.cli._home import shield
from casemate.cli._output import Json, emit, note
from casemate.cli.manifest._find import find
from casemate.cli.policy._document import load
from casemate.errors import UsageError
from casemate.policy import source
from casemate.policy.edit import put
from casemate.policy.model import Measurements
from casemate.policy.releases import Released
from casemate.secrets.catalogue import SCHEMAS
from casemate.simulator import launch

_MEASUREMENT: Final = re.compile(r"sha384:[0-9a-f]{96}|sha256:[0-9a-f]{64}")


def admit(
    file: Annotated[Path, typer.Argument(help="A policy file (YAML); it is changed.")],
    which: Annotated[str, typer.Argument(help="Policy and service (acme/records#api), a manifest file or digest.")],
    runtime: Annotated[
        str | None, typer.Option(help="The runtime's measurement (sha384:…); else that of this machine's shield.")
    ] = None,
    platform: Annotated[
        str | None, typer.Option(help="Where --runtime was measured, in a policy with `measurements` by platform.")
    ] = None,
    container: Annotated[
        bool, typer.Option("--container", help="What the simulated platform measures for this shield in a container.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write into a policy file which manifest and which runtime a service of it admits. Nothing else is changed.

    Where the policy has measurements by platform, `--platform` says which one is replaced.

    Example: `casemate policy admit records.yaml acme/records#api`
    """
    built = find(which)
    binding, document = built.parsed.manifest.policy, load(file)
    if binding is None or (binding.name, binding.genesis) != (document.policy, document.genesis):
        raise UsageError("the manifest belongs to another policy", expected=document.policy,
                         got=binding.name if binding else "none: it is a custodian's")  # fmt: skip
    if binding.service not in document.services:
        raise UsageError(
            f"{file} has no service {binding.service}",
            got=", ".join(sorted(document.services)) or "none",
            remedy="write it into the file first; any digests will do: they are replaced",
        )
    measured = _measured(runtime, container=container)
    text, service = read_bytes(file).decode(), document.services[binding.service]
    for name, trusted, pin, value in (
        ("workload", service.workload, ("manifest",), built.parsed.digest),
        ("runtime", service.runtime, _pin(service.runtime, platform), measured),
    ):
        if isinstance(trusted, Released):
            note(f"{name}: stays {trusted.sentence()}; admit this by a statement: casemate release create")
        else:
            written = value if pin[-1] in {"manifest", "measurement"} else [value]
            text = put(text, ("services", binding.service, name, *pin), written)
    changed = source.load(text, SCHEMAS)
    replace_text(file, text)
    emit(
        {"policy": document.policy, "service": binding.service, "manifest": built.parsed.digest, "runtime": measured,
         "version": changed.version, "path": str(file)},
        as_json=as_json,
    )  # fmt: skip


def _measured(given: str | None, *, container: bool) -> str:
    if given is not None and container:
        raise UsageError("two runtimes", remedy="give either --runtime or --container")
    if given is not None and not _MEASUREMENT.fullmatch(given):
        raise UsageError(
            "not a runtime's measurement", expected="sha384: and 96 hex digits, or sha256: and 64", got=given[:110]
        )
    return given or launch.measure(shield(), containers=container)


def _pin(trusted: Measurements | Released, platform: str | None) -> tuple[str, ...]:
    """Where the measurement stands."""
    if isinstance(trusted, Released) or (trusted.everywhere is not None and platform is None):
        return ("measurement",)
    if trusted.everywhere is not None:
        raise UsageError(
            "the policy has one measurement for all platforms",
            remedy='write runtime: {measurements: {PLATFORM: ["sha384:…"]}} first, or leave --platform out',
        )
    if platform is None:
        listed = ", ".join(trusted.by_platform)
        raise UsageError("the policy has measurements by platform", got=listed, remedy="say which: --platform NAME")
    return ("measurements", platform)
