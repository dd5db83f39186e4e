"""The vector layers of format version 1, read by a program that has nothing of the engine but its specification."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from casemate.image.tool import Image, Tool
from casemate.testing.images import Member, archive, folder, member
from tests.conformance.image_reader import FILE, LINK, Erofs, RefusedError, file_system, merged

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


def _owned(name: str, mode: int, user: int) -> Member:
    return folder(name, mode)[0].replace(uid=user, gid=user, mtime=user, deep=False), b""


IMAGES: dict[str, list[list[Member]]] = {
    "nothing is said": [[member("d/a")], [member("d/b")]],
    "said below": [[_owned("./", 0o711, 5), _owned("d", 0o700, 6), member("d/a")], [member("d/b")]],
    "said in the middle": [[_owned("d", 0o700, 5)], [_owned("d", 0o711, 6)], [member("d/e/b")], [member("d/e/c")]],
    "taken away": [[_owned("d", 0o700, 5), member("d/a")], [member(".wh.d"), member("d/b")]],
    "taken away later": [[_owned("d", 0o700, 5), member("d/a")], [member("d/b"), member(".wh.d")]],
    "taken away between": [[_owned("d", 0o700, 5), member("d/a")], [member(".wh.d")], [member("d/b")]],
    "emptied": [[_owned("d", 0o700, 5), member("d/a")], [member("d/.wh..wh..opq"), member("d/b")]],
    "emptied twice": [
        [_owned("d", 0o700, 5), member("d/a")],
        [member("d/.wh..wh..opq"), member("d/b")],
        [member("d/.wh..wh..opq")],
    ],
    "a file below": [[_owned("d", 0o700, 5)], [member(".wh.d"), member("d")], [member("d/b")]],
    "an emptied root": [[_owned("./", 0o700, 5), member("a")], [member(".wh..wh..opq"), member("b")]],
}


@pytest.mark.parametrize("name", IMAGES)
def test_layers_are_merged_as_the_specification_says(name: str, tmp_path: Path) -> None:
    tool, layers, files = Tool.installed(), [], []
    for number, members in enumerate(IMAGES[name]):
        data, blob = archive(*members), tmp_path / f"blob-{number}"
        (tmp_path / "archive").write_bytes(data)
        diff_id = f"sha256:{hashlib.sha256(data).hexdigest()}"
        sealed = tool.seal(tmp_path / "archive", blob, diff_id=diff_id, key=None)
        files.append((blob, sealed.root))
        content = blob.read_bytes()[1536:]
        length = int(blob.read_bytes()[1024 + 124 : 1024 + 135], 8)
        layers.append(Erofs(file_system(content[:length], bytes.fromhex(sealed.root.removeprefix("sha256:")), None)))
    said: dict[str, Any] = {}
    tool.list(Image(files, None), lambda entry: said.update({entry["path"]: entry}), digests=False)
    (root,) = tool.look(Image(files, None), ["/"])
    expected = {path.decode(): inode for path, inode in merged(layers)}
    top = expected.pop("")
    assert root is not None
    assert (root.mode, root.uid, root.gid) == (top.mode, top.uid, top.gid)
    assert {path: _listed(inode) for path, inode in expected.items()} == {
        path: [entry[key] for key in ("mode", "uid", "gid", "modified", "attributes")] for path, entry in said.items()
    }


def _listed(inode: Any) -> list[Any]:
    attributes = {name.decode(): value.hex() for name, value in inode.attributes.items()}
    return [f"{inode.mode:06o}", inode.uid, inode.gid, list(inode.modified), attributes]
