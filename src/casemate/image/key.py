"""Image keys in files: what seals the layers of one service's images. Whoever reads the file reads the images."""

from __future__ import annotations

from typing import Final

from casemate.keyfile import KeyFile

__all__ = ["create", "load"]

_FILE: Final = KeyFile("image key")
create, load = _FILE.create, _FILE.load
