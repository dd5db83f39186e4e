"""Output keys in files: what seals the output of one service. Whoever has one reads its logs, and could make some."""

from __future__ import annotations

from typing import Final

from casemate.keyfile import KeyFile

__all__ = ["create", "load"]

_FILE: Final = KeyFile("output key")
create, load = _FILE.create, _FILE.load
