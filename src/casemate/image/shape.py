"""What a protected image holds besides its sealed layers: the shield, and what it is to be started with.

    /casemate/shield                the static binary: a layer of its own, the same in every image
    /casemate/manifest.json         the launch manifest, canonical JSON
    /casemate/custodian.json        whom it asks: {"genesis": …, "addresses": […]}
    /casemate/statements/*.json     release statements
    /casemate/mounts/, /casemate/volumes/   empty: where the engine mounts folders of the host

Both layers are archives whose every byte follows from their content.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from casemate.errors import ImageRefusedError, InputError
from casemate.image.oci import decode
from casemate.image.tar import Archive, Kind
from casemate.wire import canonical
from casemate.wire.fields import b64u_decode, b64u_encode
from casemate.wire.manifest import ParsedManifest, parse_manifest

__all__ = [
    "ENTRYPOINT",
    "MAX_LAUNCH_BYTES",
    "MAX_SHIELD_BYTES",
    "Start",
    "read_shield",
    "read_start",
    "unknown",
    "write_shield",
    "write_start",
]

ENTRYPOINT: Final = ("/casemate/shield", "--container")
MAX_LAUNCH_BYTES: Final = 20 << 20
"""Of the layer that a shield is started with: the largest manifest, and what is around it."""
MAX_SHIELD_BYTES: Final = 64 << 20
"""Of the layer that a shield is in: it is a tenth of that."""
_FOLDER: Final = "casemate"
_SHIELD: Final = f"{_FOLDER}/shield"
_MANIFEST: Final = f"{_FOLDER}/manifest.json"
_CUSTODIAN: Final = f"{_FOLDER}/custodian.json"
_STATEMENTS: Final = f"{_FOLDER}/statements"
_EMPTY: Final = (f"{_FOLDER}/mounts", f"{_FOLDER}/volumes")


@dataclass(frozen=True)
class Start:
    """What a shield in a container is started with. All but the manifest's digest is the host's word."""

    manifest: ParsedManifest
    genesis: bytes
    addresses: Sequence[str] = ()
    statements: Sequence[bytes] = ()


def write_shield(target: Path, shield: Path) -> None:
    """The archive with the shield."""
    with tarfile.open(target, "x", format=tarfile.USTAR_FORMAT) as archive, shield.open("rb") as binary:
        archive.addfile(_folder(_FOLDER))
        entry = _file(_SHIELD, shield.stat().st_size, mode=0o555)
        archive.addfile(entry, binary)


def write_start(target: Path, start: Start) -> None:
    """The archive with all else."""
    custodian = {"genesis": b64u_encode(start.genesis), "addresses": list(start.addresses)}
    files = {_MANIFEST: start.manifest.data, _CUSTODIAN: canonical.encode(custodian)}
    files |= {f"{_STATEMENTS}/{number}.json": data for number, data in enumerate(start.statements)}
    folders = [_FOLDER, *_EMPTY, *([_STATEMENTS] if start.statements else [])]
    entries = {path: _folder(path) for path in folders} | {
        path: _file(path, len(data), mode=0o444) for path, data in files.items()
    }
    with tarfile.open(target, "x", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(entries):
            archive.addfile(entries[path], io.BytesIO(files[path]) if path in files else None)


def read_start(data: bytes) -> Start:
    """Strict inverse of `write_start`. Errors: ImageRefusedError, InputError of what is in it."""
    files = _read(data)
    manifest, custodian = files.pop(_MANIFEST, None), files.pop(_CUSTODIAN, None)
    statements = [files.pop(name) for name in sorted(files) if name.startswith(f"{_STATEMENTS}/")]
    if manifest is None or custodian is None or files:
        raise unknown()
    return Start(parse_manifest(manifest), *_custodian(custodian), statements)


def read_shield(data: bytes, target: Path) -> None:
    """Takes the shield out of its archive, into a new file. Errors: ImageRefusedError."""
    files = _read(data)
    shield = files.pop(_SHIELD, None)
    if shield is None or files:
        raise unknown()
    target.write_bytes(shield)


def _custodian(data: bytes) -> tuple[bytes, list[str]]:
    try:
        value = decode(data)
        match value:
            case {"genesis": str(genesis), "addresses": list(addresses)} if len(value) == 2:
                if all(isinstance(address, str) for address in addresses):
                    return b64u_decode(genesis), addresses
    except (ValueError, InputError):
        pass
    raise unknown()


def _read(data: bytes) -> dict[str, bytes]:
    """Regular files of an archive by name; anything that a writer of ours would not have written is refused."""
    try:
        archive = Archive(io.BytesIO(data))
        members = [member for member in archive.members.values() if member.kind is not Kind.FOLDER]
        if all(member.kind is Kind.FILE for member in members):
            return {member.name: b"".join(archive.pieces(member)) for member in members}
    except ImageRefusedError as error:
        raise unknown() from error
    raise unknown()


def unknown() -> ImageRefusedError:
    """What is said of an image that has not this shape."""
    return ImageRefusedError(
        "this is no protected image, or one of a newer Casemate",
        step="image.shape",
        remedy="make one with: casemate image protect",
    )


def _folder(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o555
    return entry


def _file(name: str, size: int, *, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    return entry
