"""What a kind of secret is: the interface that each file in `kinds/` implements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Protocol

from pydantic import Field

from casemate.wire.fields import Model
from casemate.wire.secrets import SecretSchema

__all__ = ["Kind", "Making", "Material", "Spec"]

Material = dict[str, bytes]
"""Name of a part → its bytes. May hold more than the schema's parts: what only this kind itself may use."""


class Spec(Model):
    """Fields that every kind has. `rotate` grows by hand when a new secret is wanted."""

    kind: str
    rotate: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


@dataclass(frozen=True, slots=True)
class Making:
    """What making a secret may use. `random(n)` gives n random bytes; `issuer` is the material of the secret that
    `SecretSchema.issuer` named, private parts included; `value()` opens what the client sealed, checked against the
    commitment.
    """

    name: str
    now: datetime
    random: Callable[[int], bytes]
    issuer: Mapping[str, bytes] | None = field(repr=False)
    value: Callable[[str], bytes]


class Kind(Protocol):
    """A module of `kinds/`, as an object."""

    @property
    def schema(self) -> SecretSchema: ...

    def generate(self, spec: Any, making: Making) -> Material:
        """A new secret. `SecretError` names what is missing."""

    def renew(self, spec: Any, material: Material, making: Making) -> Material | None:
        """The same secret with what ran low made anew (certificates); None where nothing is due."""

    def may_become(self, old: Any, new: Any) -> bool:
        """Whether this change of fields needs no `rotate`: the secret is then made anew on purpose."""
