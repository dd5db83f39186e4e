"""Small images, made from archives of the tests' own; the programs that `make setup` installs."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from casemate.image.launch import Wanted
from casemate.image.original import Layer, Original
from casemate.image.protect import Custodian, Protected, protect
from casemate.image.settings import Settings
from casemate.image.tool import Image, Tool
from casemate.testing.images import archive, folder, member
from casemate.wire.manifest import PolicyBinding

KEY = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
PASSWD = b"root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"
GROUP = b"root:x:0:\napp:x:1001:\n"


BASE = archive(
    folder("etc"),
    member("etc/passwd", PASSWD),
    member("etc/group", GROUP),
    folder("bin"),
    member("bin/server", b"#!/bin/true\n", 0o755),
    folder("data", 0o1777),
    member("data/already", b"there"),
)
TOP = archive(
    member("srv/plaintext-name", b"plaintext-content" * 1000),
    folder("data", 0o1777),
    member("data/.wh.already"),
)


@dataclass
class Work:
    """A folder in which images are made."""

    folder: Path
    tool: Tool
    shield: Path
    made: int = 0
    settings: Settings = field(default_factory=lambda: Settings(entrypoint=["server"], arguments=["--port", "80"]))

    def layer(self, data: bytes, *, compress: bool = False, diff_id: str | None = None) -> Layer:
        stored = gzip.compress(data, mtime=0) if compress else data
        path = self._new("layer")
        path.write_bytes(stored)
        return Layer(len(stored), diff_id or f"sha256:{hashlib.sha256(data).hexdigest()}", lambda _: path)

    def original(self, *layers: Layer, **said: object) -> Original:
        return replace(Original("amd64", self.settings, list(layers)), **said)  # type: ignore[arg-type]

    def protect(self, original: Original, wanted: Wanted | None = None, key: str | None = KEY) -> Protected:
        scratch = self._new("scratch")
        scratch.mkdir()
        custodian = Custodian(b"genesis", ["http://127.0.0.1:7700"])
        return protect(
            original, wanted or WANTED, key=key, custodian=custodian, shield=self.shield, tool=self.tool,
            scratch=scratch,
        )  # fmt: skip

    def exported(self, protected: Protected, key: str | None = KEY) -> Path:
        target = self._new("exported")
        self.tool.export(image_of(protected, key), target)
        return target

    def _new(self, name: str) -> Path:
        self.made += 1
        return self.folder / f"{name}-{self.made}"


WANTED = Wanted(
    PolicyBinding(name="acme/records", genesis="sha256:" + "1" * 64, service="api"), custodian="sha256:" + "2" * 64
)


def image_of(protected: Protected, key: str | None = KEY) -> Image:
    blobs = protected.layers[1:-1]
    return Image([(blob.path, one.root) for blob, one in zip(blobs, protected.sealed, strict=True)], key)


def names(data: bytes | Path) -> Sequence[str]:
    opened = io.BytesIO(data if isinstance(data, bytes) else data.read_bytes())
    with tarfile.open(fileobj=opened) as tar:
        return tar.getnames()


@pytest.fixture
def work(tmp_path: Path) -> Work:
    shield = tmp_path / "shield"
    shield.write_bytes(b"\x7fELF shield")
    return Work(tmp_path, Tool.installed(), shield)
