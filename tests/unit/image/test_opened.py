"""The blobs of a protected image in somebody's folder, which changes between two looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from casemate.errors import ImageTamperedError
from casemate.image.opened import Opened, Part

ROOT = "sha256:" + "a" * 64


def files(blob: Path) -> None:
    """What the shield would be given for an image of one layer."""
    opened = Opened.__new__(Opened)
    object.__setattr__(opened, "sealed", [Part("sha256:" + "b" * 64, 1, ROOT)])
    opened.files(lambda _: blob)


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "nothing"])
def test_a_blob_that_became_something_else_is_another_layer_and_nobody_waits(tmp_path: Path, kind: str) -> None:
    blob = tmp_path / "blob"
    good = bytearray(2048)
    good[1024 : 1024 + 81] = b"casemate/layers/" + b"a" * 64 + b"\0"
    blob.write_bytes(good)
    files(blob)
    blob.rename(tmp_path / "other")
    if kind == "pipe":
        os.mkfifo(blob)
    elif kind == "link":
        blob.symlink_to("other")
    elif kind == "folder":
        blob.mkdir()
    with pytest.raises(ImageTamperedError, match="another layer"):
        files(blob)
