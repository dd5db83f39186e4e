"""Values that look like secrets. A guess: it errs towards asking, and people say what may stay."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

__all__ = ["suspects"]

_NAME: Final = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|PASS|PW|SECRETS?|TOKENS?|CREDENTIALS?|AUTH|APIKEY|KEY|KEYS|DSN)$|SECRET|PRIVATE_KEY"
)
_PLACE: Final = re.compile(r"_(?:FILE|PATH|DIR|URL_PATH)$")
"""Where a secret lies is none."""
_PUBLIC: Final = re.compile(r"(?:SHA(?:1|256|384|512)|MD5|DIGEST|CHECKSUM|HASH|COMMIT|REVISION|REV|SUM|VERSION)$")
"""What names of values say that are random and no secret."""
_CREDENTIALS: Final = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_TELLING: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\."  # RFC 7519
    r"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}"
)
_WORD: Final = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_BITS: Final = 3.5
"""For each character: English text and paths have fewer, base64 and hexadecimal digits of random bytes more."""


def suspects(environment: Mapping[str, str]) -> dict[str, str]:
    """Name → why its value looks like a secret."""
    found = {name: _why(name, value) for name, value in environment.items()}
    return {name: why for name, why in found.items() if why is not None}


def _why(name: str, value: str) -> str | None:
    if not value:
        return None
    upper = name.upper()
    if _NAME.search(upper) and not _PLACE.search(upper):
        return "its name"
    if _CREDENTIALS.search(value):
        return "a password in an address"
    if _TELLING.search(value):
        return "its form"
    if not _PUBLIC.search(upper) and any(_looks_random(word[0]) for word in _WORD.finditer(value)):
        return "it looks random"
    return None


def _looks_random(word: str) -> bool:
    mixed = re.search(r"[0-9]", word) and re.search(r"[A-Za-z]", word)
    if not mixed or word.count("/") > len(word) // 12:
        return False
    counts = Counter(word)
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values()) >= _BITS
