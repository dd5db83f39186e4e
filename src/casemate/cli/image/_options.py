"""Options that several commands of `casemate image` have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from casemate.errors import UsageError
from casemate.wire.manifest import CAPABILITIES

__all__ = [
    "Address",
    "Arch",
    "Capability",
    "Container",
    "Destination",
    "Encrypt",
    "Env",
    "File",
    "Hole",
    "KeepEnv",
    "KeyFile",
    "KeyOfImage",
    "Policy",
    "PolicyOut",
    "ReadOnly",
    "Source",
    "User",
    "Volume",
    "Writable",
    "architecture",
    "capabilities",
    "size",
    "volumes",
]

_SIZE: Final = re.compile(r"([1-9][0-9]{0,12})([KMG]?)(?:iB)?")
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_VOLUME: Final = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]{0,62}):(?P<path>/.*)")
_LEAST: Final = 4096
_MOST: Final = 1 << 40

Source = Annotated[str, typer.Argument(help="The image, as skopeo names it: docker://HOST/NAME:TAG, oci:FOLDER:TAG, …")]
Destination = Annotated[str, typer.Argument(help="Where the protected image goes, written the same way.")]
Policy = Annotated[str, typer.Option(help="Policy and service, as acme/records#api.")]
Encrypt = Annotated[
    bool, typer.Option("--encrypt/--authenticate-only", help="Without encryption, everybody can read the layers.")
]
Volume = Annotated[list[str] | None, typer.Option(help="NAME:PATH, a sealed volume of the policy and its place.")]
Hole = Annotated[
    list[str] | None,
    typer.Option(help="NAME=PATTERN or host:NAME=PATTERN: the variable NAME gets its value from policy or host."),
]
Env = Annotated[list[str] | None, typer.Option(help="NAME=VALUE, beside or instead of the image's variables.")]
File = Annotated[list[str] | None, typer.Option(help="A path below /run that the policy may fill.")]
KeepEnv = Annotated[
    list[str] | None, typer.Option(help="A variable that looks like a secret and is none: it stays, for all to read.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="The image key; made where there is none. Else one of each service.")
]
KeyOfImage = Annotated[Path | None, typer.Option("--key-file", help="The image key. Else that of the image's service.")]
PolicyOut = Annotated[
    Path | None,
    typer.Option(help="A policy file that is made, or changed: manifest, runtime, holes, secrets, volumes, image key."),
]
Container = Annotated[
    bool,
    typer.Option("--container", help="A container engine starts it on the simulated platform: the policy says so."),
]
Address = Annotated[list[str] | None, typer.Option(help="Where the custodian is reached, if the engine says nothing.")]
Arch = Annotated[str | None, typer.Option(help="Of an image for several architectures: the one that is meant.")]
Writable = Annotated[
    str, typer.Option(help="How much of the root may be written, in memory, as 512M; also of each of its volumes.")
]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Nothing of the root may be written but its volumes.")]
Capability = Annotated[
    list[str] | None,
    typer.Option(help="What of root's rights stays, or none. Images that start as root keep all that can be kept."),
]
User = Annotated[str | None, typer.Option("--user", help="UID:GID; else the image's own.")]


def volumes(texts: list[str]) -> dict[str, str]:
    """Place → the policy's volume."""
    found: dict[str, str] = {}
    for text in texts:
        match = _VOLUME.fullmatch(text)
        if match is None or match["path"] in found:
            raise UsageError("not a volume with a place of its own", expected="NAME:PATH, as records:/data", got=text)
        found[match["path"]] = match["name"]
    return found


def size(text: str) -> int:
    """Bytes."""
    match = _SIZE.fullmatch(text)
    count = 0 if match is None else int(match[1]) * _UNITS[match[2]]
    if not _LEAST <= count <= _MOST:
        raise UsageError(f"{text} is no size", expected="4K to 1024G, as 512M")
    return count


def capabilities(texts: list[str] | None) -> list[str] | None:
    """None where nobody said."""
    if texts is None or texts == ["none"]:
        return None if texts is None else []
    for text in texts:
        if text not in CAPABILITIES:
            raise UsageError(
                f"{text[:60]} is not among root's rights that can stay", expected=", ".join(("none", *CAPABILITIES))
            )
    return texts


def architecture(text: str | None) -> str | None:
    """`amd64`, also where somebody writes `linux/amd64`."""
    return None if text is None else text.removeprefix("linux/")
