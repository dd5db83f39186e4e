"""What a host chooses when it starts a custodian: the named holes of its manifest."""

from __future__ import annotations

from typing import Final

__all__ = ["DEFAULT_HOLES"]

DEFAULT_HOLES: Final = {"address": "127.0.0.1", "port": "7700", "tls_port": "0", "workers": "2"}
