"""Who an image starts as."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casemate.errors import ImageRefusedError
from casemate.image.users import Account, resolve

PASSWD = b"""\
# a word
root:x:0:0:root:/root:/bin/sh
broken:x:no:0::/:
short:x:1
redis:x:999:1000::/home/redis:/bin/false
12:x:77:78::/home/twelve:/bin/false
nowhere:x:55:56:::
"""
GROUP = b"root:x:0:\nredis:x:1000:\nother:x:33:redis,root\n"


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("", Account(0, 0, "/root")),
        ("root", Account(0, 0, "/root")),
        ("redis", Account(999, 1000, "/home/redis")),
        ("999", Account(999, 1000, "/home/redis")),
        ("redis:other", Account(999, 33, "/home/redis")),
        ("redis:4", Account(999, 4, "/home/redis")),
        ("redis:", Account(999, 1000, "/home/redis")),
        (":other", Account(0, 33, "/root")),
        ("1234", Account(1234, 0, "/")),
        ("12", Account(77, 78, "/home/twelve")),
        ("nowhere", Account(55, 56, "/")),
    ],
)
def test_a_user_is_found_as_engines_find_it(text: str, account: Account) -> None:
    assert resolve(text, passwd=PASSWD, group=GROUP) == account


def test_without_any_file_only_numbers_are_somebody() -> None:
    assert resolve("", passwd=b"", group=b"") == Account(0, 0, "/")
    assert resolve("5:6", passwd=b"", group=b"") == Account(5, 6, "/")


@pytest.mark.parametrize("text", ["nobody", "broken", "short", "redis:nobody", "-1", "4294967295", "²", "0x1"])
def test_whom_the_image_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ImageRefusedError, match="does not have"):
        resolve(text, passwd=PASSWD, group=GROUP)


@given(text=st.text(max_size=20), passwd=st.binary(max_size=100), group=st.binary(max_size=100))
def test_any_bytes_are_somebody_or_our_own_error(text: str, passwd: bytes, group: bytes) -> None:
    with suppress(ImageRefusedError):
        account = resolve(text, passwd=passwd, group=group)
        assert 0 <= account.uid < 2**31 > account.gid >= 0
