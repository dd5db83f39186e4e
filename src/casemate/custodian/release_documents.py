"""What a policy has seen of documents about its machines' TCB: their evaluation numbers never go back under it.

Of Intel's documents several are in force at once, early and standard ones, and who sends evidence chooses among them.
Yesterday's must not hide what is out of date today; but anybody with a genuine machine could raise a floor that all
share, and so lock out the machines of others. So these floors are of one policy, and rise only by what it admitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from casemate.claims import VerifiedClaims
from casemate.custodian.keeper import Change, Compare, Put, State
from casemate.custodian.policies_book import key_of
from casemate.wire import canonical
from casemate.wire.fields import Model

__all__ = ["SeenDocuments", "seen_documents"]

_MAX_NUMBERS: Final = 1024
"""One a kind of machine, and one a kind of quoting enclave."""


class _Numbers(Model):
    """By name (`VerifiedClaims.chosen`), the highest number of what was admitted."""

    numbers: Annotated[dict[str, int], Field(max_length=_MAX_NUMBERS)]


@dataclass(frozen=True, slots=True)
class SeenDocuments:
    """As they were at `revision` of `key`."""

    key: str
    revision: int | None
    numbers: Mapping[str, int]

    def newer_than(self, claims: VerifiedClaims) -> dict[str, int]:
        """The floors that what endorsed `claims` is below."""
        below = {name for name, number in claims.chosen.items() if number < self.numbers.get(name, 0)}
        return {name: self.numbers[name] for name in sorted(below)}

    def raised_by(self, claims: VerifiedClaims) -> tuple[list[Compare], list[Change]]:
        """What has to hold, and to be stored, once `claims` are admitted."""
        rise = {name: number for name, number in claims.chosen.items() if number > self.numbers.get(name, -1)}
        if not rise:
            return [], []
        value = _Numbers(numbers={**self.numbers, **rise}).model_dump_json().encode()
        return [Compare(self.key, self.revision)], [Put(self.key, value)]


async def seen_documents(state: State, genesis: str) -> SeenDocuments:
    """Of the policy with that genesis."""
    key = key_of(genesis, "documents")
    item = await state.get(key)
    if item is None:
        return SeenDocuments(key, None, {})
    stored = canonical.parse_model(_Numbers, canonical.decode(item.value), what="documents")
    return SeenDocuments(key, item.revision, stored.numbers)
