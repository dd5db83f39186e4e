"""Asks `casemate-image` (crates/image-tool) to seal layers and to read sealed ones: a JSON object in, lines out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from casemate.errors import CasemateError, ImageError, ImageRefusedError, ImageTamperedError, UsageError
from casemate.tool import Listener, Program
from casemate.wire.fields import b64u_decode

__all__ = ["LIMITS", "Found", "Image", "Limits", "Sealed", "Tool"]

_KINDS: Final[Mapping[str, tuple[type[ImageError], str | None]]] = {
    "archive": (ImageRefusedError, "get the image again from where it was built"),
    "refused": (ImageRefusedError, "build the image anew without that entry"),
    "limit": (ImageRefusedError, None),
    "tampered": (ImageTamperedError, "use the key that it was made with, or a copy that nobody changed"),
    "host": (ImageError, "see to the host's disk, then try again"),
    "silent": (ImageError, "look at its messages above"),
}


def _refusal(code: str, message: str) -> CasemateError:
    if code == "usage":
        return UsageError(message)
    kind, remedy = _KINDS.get(code, (ImageError, None))
    return kind(message, step=f"image.{code}", remedy=remedy)


_PROGRAM: Final = Program("casemate-image", "the images' program", _refusal)


@dataclass(frozen=True)
class Limits:
    """What is taken of one layer's archive."""

    bytes: int = 64 << 30
    entries: int = 2_000_000
    attributes: int = 64 << 20


LIMITS: Final = Limits()
"""For images that people meant to be large."""


@dataclass(frozen=True)
class Sealed:
    """A layer that was sealed, and the blob that holds it."""

    root: str
    digest: str
    size: int
    content: int
    """Bytes of all its files."""


@dataclass(frozen=True)
class Image:
    """Sealed layers from the bottom up, each a blob's file and its root; and the key, where they are encrypted."""

    layers: Sequence[tuple[Path, str]]
    key: str | None = field(repr=False)

    def asked(self) -> dict[str, Any]:
        return {"layers": [{"path": str(path.absolute()), "root": root} for path, root in self.layers], "key": self.key}


@dataclass(frozen=True)
class Found:
    """What is at a path of an image, links followed. `content`: of files up to 1 MiB; `entries`: of directories."""

    mode: int
    uid: int
    gid: int
    content: bytes | None = field(repr=False)
    entries: int | None


@dataclass(frozen=True)
class Tool:
    """The program. Every call raises ImageError and those below it, UsageError, PlatformError."""

    binary: Path

    @classmethod
    def installed(cls) -> Tool:
        return cls(_PROGRAM.installed())

    def seal(
        self,
        archive: Path,
        target: Path,
        *,
        diff_id: str,
        key: str | None,
        limits: Limits = LIMITS,
        progress: Listener | None = None,
    ) -> Sealed:
        """Makes a blob with a sealed layer of an archive, which must hash to `diff_id` when it is not compressed."""
        request = {
            "command": "seal",
            "archive": str(archive.absolute()),
            "target": str(target.absolute()),
            "key": key,
            "diff_id": diff_id,
            "limits": vars(limits),
        }
        said = _PROGRAM.ask(self.binary, request, progress)
        return Sealed(said["root"], said["blob"]["digest"], said["blob"]["size"], said["bytes"])

    def look(self, image: Image, paths: Sequence[str]) -> list[Found | None]:
        """What is at each path, as a process in the image would find it; None where there is nothing."""
        said = _PROGRAM.ask(self.binary, {"command": "look", "image": image.asked(), "paths": list(paths)})
        return [None if one is None else _found(one) for one in said["found"]]

    def list(self, image: Image, entry: Callable[[dict[str, Any]], None], *, digests: bool) -> None:
        """Tells each path with all that it is."""
        request = {"command": "list", "image": image.asked(), "digests": digests}
        _PROGRAM.ask(self.binary, request, entries=lambda line: entry(line["entry"]))

    def export(self, image: Image, target: Path) -> dict[str, Any]:
        """Writes an archive of all that the image shows; says its entries and bytes."""
        return _PROGRAM.ask(
            self.binary, {"command": "export", "image": image.asked(), "target": str(target.absolute())}
        )

    def verify(self, image: Image, progress: Listener | None = None) -> dict[str, Any]:
        """Reads and opens every piece of every layer; says how many layers and bytes."""
        return _PROGRAM.ask(self.binary, {"command": "verify", "image": image.asked()}, progress)


def _found(said: dict[str, Any]) -> Found:
    content = said.get("content")
    return Found(
        said["mode"], said["uid"], said["gid"], None if content is None else b64u_decode(content), said.get("entries")
    )
