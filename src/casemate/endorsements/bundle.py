"""Endorsements in one file, to be carried to where no network is: JSON, names and bytes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from casemate.endorsements.cache import MAX_ENTRIES, Cache, Kept
from casemate.wire import canonical
from casemate.wire.fields import Bytes, Model

__all__ = ["MAX_BUNDLE_BYTES", "exported", "imported"]

MAX_BUNDLE_BYTES: Final = 16 * 1024 * 1024


class _Bundle(Model):
    casemate_endorsements: Literal[1]
    entries: Annotated[dict[str, Bytes], Field(max_length=MAX_ENTRIES)]


def exported(cache: Cache) -> bytes:
    """The same cache makes the same bytes."""
    entries = {name: data for name in cache.names() if (data := cache.get(name)) is not None}
    return canonical.encode(_Bundle(casemate_endorsements=1, entries=entries).to_object()) + b"\n"


def imported(cache: Cache, data: bytes) -> dict[str, Kept]:
    """Of each entry, what became of it: what is older than what is there is not taken.

    Errors: InputError, EndorsementError. Entries before the first that is none are kept.
    """
    bundle = canonical.parse_model(
        _Bundle, canonical.decode(data, limit=MAX_BUNDLE_BYTES), what="bundle of endorsements"
    )
    return {name: cache.put(name, entry) for name, entry in sorted(bundle.entries.items())}
