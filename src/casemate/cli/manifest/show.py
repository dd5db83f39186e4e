from __future__ import annotations

import shlex
from typing import Annotated

import typer

from casemate.cli._output import Json, emit
from casemate.cli.manifest._find import find
from casemate.wire.manifest import Directory, File, Manifest, RootEntry


def show(
    which: Annotated[str, typer.Argument(help="A manifest file, a digest, or a policy#service.")],
    files: Annotated[bool, typer.Option("--files", help="List the whole root.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a launch manifest fixes. Example: `casemate manifest show acme/records#api --files`"""
    parsed = find(which).parsed
    manifest = parsed.manifest
    if as_json:
        emit({"digest": parsed.digest, "manifest": manifest.to_object()}, as_json=True)
        return
    lines = {
        "digest": parsed.digest,
        "role": manifest.role,
        "custodian": manifest.custodian,
        "policy": f"{manifest.policy.name}#{manifest.policy.service}" if manifest.policy else None,
        "runs": shlex.join((*manifest.entrypoint, *manifest.arguments)),
        "user": f"{manifest.user.uid}:{manifest.user.gid}" if manifest.user else "as the policy says",
        "environment": shlex.join(f"{name}={value}" for name, value in manifest.environment.items()) or "empty",
        "holes": ", ".join(f"{n} ({h.from_}: {h.pattern})" for n, h in manifest.holes.items()) or "none",
        "policy files": ", ".join(manifest.files) or "none",
        "writable": ", ".join(entry.path for entry in manifest.writable) or "nothing",
        "host folders": ", ".join(f"{m.path} ({m.access})" for m in manifest.mounts) or "none",
        "volumes": ", ".join(manifest.volume_paths) or "none",
        "certificate": _certificate(manifest),
        "capabilities": ", ".join(manifest.capabilities or ()) or "none",
        "root": _root(manifest),
    }
    text = "\n".join(f"{name:>12}  {value}" for name, value in lines.items() if value is not None)
    if files:
        layers = manifest.image.layers if manifest.image else []
        text += "\n\n" + "\n".join([*map(_line, manifest.root), *layers])
    emit({}, as_json=False, text=text)


def _certificate(manifest: Manifest) -> str | None:
    place = manifest.ra_tls
    if place is None:
        return None
    told = "" if place.reload is None else f", SIG{place.reload.upper()} when there is a new one"
    return f"over evidence, in {place.path}, each for {place.lifetime} s{told}"


def _root(manifest: Manifest) -> str:
    image = manifest.image
    if image is None:
        return f"{len(manifest.root)} entries"
    writable = "read-only" if image.writable is None else f"up to {image.writable} bytes are written, in memory"
    return f"{len(image.layers)} {image.protection} layers, {writable}"


def _line(entry: RootEntry) -> str:
    if isinstance(entry, File):
        return f"{entry.mode}  {entry.digest}  {entry.size:>10}  {entry.path}"
    if isinstance(entry, Directory):
        return f"{entry.mode}  folder  {entry.path}"
    return f"link  {entry.path} -> {entry.target}"
