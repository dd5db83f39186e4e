"""Volume keys in files, for use without a custodian. Whoever reads the file reads the volume."""

from __future__ import annotations

from typing import Final

from casemate.keyfile import KeyFile

__all__ = ["create", "load"]

_FILE: Final = KeyFile("volume key")
create, load = _FILE.create, _FILE.load
