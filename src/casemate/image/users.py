"""The user that an image starts as, from the image's own /etc/passwd and /etc/group (passwd(5), group(5)).

As container engines resolve it: `USER`, `USER:GROUP`, each a name or a number; a name that the image does not have is
refused, a number need not be in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from casemate.errors import ImageRefusedError

__all__ = ["Account", "resolve"]

_LARGEST: Final = 2**31 - 1


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int
    home: str


def resolve(text: str, *, passwd: bytes, group: bytes) -> Account:
    """Who `text` is; nobody said is user 0. Errors: ImageRefusedError."""
    user, mark, of = text.partition(":")
    account = _account(user or "0", passwd)
    if not mark or not of:
        return account
    return Account(account.uid, _group(of, group), account.home)


def _account(user: str, passwd: bytes) -> Account:
    number = _number(user)
    for fields in _lines(passwd, 7):
        uid, gid = _number(fields[2]), _number(fields[3])
        if uid is not None and gid is not None and (fields[0] == user or uid == number):
            return Account(uid, gid, fields[5] if fields[5].startswith("/") else "/")
    if number is None:
        raise _unknown("user", user)
    return Account(number, 0, "/")


def _group(name: str, group: bytes) -> int:
    number = _number(name)
    for fields in _lines(group, 4):
        gid = _number(fields[2])
        if gid is not None and (fields[0] == name or gid == number):
            return gid
    if number is None:
        raise _unknown("group", name)
    return number


def _unknown(what: str, name: str) -> ImageRefusedError:
    file = {"user": "/etc/passwd", "group": "/etc/group"}[what]
    return ImageRefusedError(
        f"the image starts as the {what} {name[:100]}, whom its {file} does not have",
        step="image.user",
        remedy="say numbers with --user UID:GID",
    )


def _lines(data: bytes, count: int) -> Iterator[list[str]]:
    """Lines of as many fields; others say nothing."""
    for line in data.decode("utf-8", "replace").split("\n"):
        fields = line.split(":")
        if len(fields) == count and not line.startswith("#"):
            yield fields


def _number(text: str) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    return number if (number := int(text)) <= _LARGEST else None
