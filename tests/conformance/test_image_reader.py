"""The vector layers of format version 1, read by a program that has nothing of the engine but its specification."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.image_reader import FILE, LINK, Erofs, RefusedError, file_system

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "image"
NAMES = ["encrypted", "authenticated"]


class Vector:
    def __init__(self, name: str) -> None:
        self.said: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
        self.layer = (VECTORS / f"{name}.layer").read_bytes()
        self.root = bytes.fromhex(self.said["root"])
        self.key = None if self.said["key"] is None else bytes.fromhex(self.said["key"])

    def refused(self, layer: bytes) -> bool:
        try:
            file_system(layer, self.root, self.key)
        except RefusedError:
            return True
        return False


def _line(path: bytes, inode: Any) -> dict[str, Any]:
    kind = inode.mode & 0o170000
    line: dict[str, Any] = {
        "path": base64.b64encode(path).decode(),
        "mode": f"{inode.mode:o}",
        "owner": [inode.uid, inode.gid],
        "links": inode.links,
        "modified": list(inode.modified),
        "device": inode.device,
        "attributes": {name.decode(): value.hex() for name, value in inode.attributes.items()},
    }
    if kind in {FILE, LINK}:
        line |= {"size": len(inode.content), "sha256": hashlib.sha256(inode.content).hexdigest()}
    return line


@pytest.mark.parametrize("name", NAMES)
def test_the_layer_shows_what_its_description_says(name: str) -> None:
    vector = Vector(name)
    image = Erofs(file_system(vector.layer, vector.root, vector.key))
    assert [_line(path, inode) for path, _, inode in image.walk()] == vector.said["entries"]


def test_both_layers_have_one_file_system() -> None:
    first, second = (file_system(vector.layer, vector.root, vector.key) for vector in map(Vector, NAMES))
    assert first == second
    assert Vector("encrypted").root != Vector("authenticated").root


@pytest.mark.parametrize("name", NAMES)
def test_every_changed_byte_is_refused(name: str) -> None:
    vector = Vector(name)
    for at in range(0, len(vector.layer), 97):
        changed = bytearray(vector.layer)
        changed[at] ^= 1
        assert vector.refused(bytes(changed)), at
    assert vector.refused(vector.layer[:-1])
    assert not vector.refused(vector.layer)


def test_another_key_opens_nothing() -> None:
    vector = Vector("encrypted")
    for key in (bytes(32), None):
        with pytest.raises(RefusedError):
            file_system(vector.layer, vector.root, key)
