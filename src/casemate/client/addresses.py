"""Where a custodian is reached: `http://host:port` or `https://…`, and nothing more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from casemate.errors import UsageError

__all__ = ["Address", "parse_address"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True)
class Address:
    """`host` is a name or an IP literal without brackets."""

    scheme: str
    host: str
    port: int


def parse_address(url: str) -> Address:
    """`UsageError` for everything that is not scheme, host and port: a path or a user in it would be ignored."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(url) from error
    extras = (parts.path.strip("/"), parts.query, parts.fragment, parts.username, parts.password)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or any(extras) or port == 0 or _CONTROL.search(url):
        raise _refused(url)
    return Address(parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme])


def _refused(url: str) -> UsageError:
    return UsageError("not a custodian's URL", expected="http://host:port or https://host:port", got=url[:200])
