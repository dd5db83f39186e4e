"""Where a custodian is reached: `http://host:port` or `https://…`, and nothing more."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from casemate.errors import UnreachableError, UsageError

__all__ = ["Address", "literal_addresses", "parse_address"]

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


def literal_addresses(url: str) -> list[str]:
    """The custodian's name, resolved here: shields and mounts believe signatures, not names. `UnreachableError`."""
    address = parse_address(url)
    if address.scheme != "http":
        raise UsageError(
            "shields and mounts speak plain HTTP: every answer is signed", expected="http://host:port", got=url
        )
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"no address for {address.host}", remedy="check the pinned URL") from error
    literals = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [f"http://{f'[{a}]' if ipaddress.ip_address(a).version == 6 else a}:{address.port}" for a in literals]


def _refused(url: str) -> UsageError:
    return UsageError("not a custodian's URL", expected="http://host:port or https://host:port", got=url[:200])
