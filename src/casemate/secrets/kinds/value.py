"""`value`: something that its owner brings, sealed to the custodian; the document holds a salted commitment."""

from __future__ import annotations

from typing import Final, Literal

from casemate.secrets.kind import Making, Material, Spec
from casemate.secrets.kinds._plain import Lasting, no_issuer
from casemate.wire.fields import Sha256
from casemate.wire.secrets import SecretSchema

__all__ = ["KIND", "ValueSpec"]


class ValueSpec(Spec):
    kind: Literal["value"]
    commitment: Sha256


class _Value(Lasting):
    schema = SecretSchema("value", ValueSpec, {"value": True}, no_issuer)

    def generate(self, spec: ValueSpec, making: Making) -> Material:
        return {"value": making.value(spec.commitment)}

    def may_become(self, _old: ValueSpec, _new: ValueSpec) -> bool:
        """Another commitment is another value, and comes with it: nobody does that by accident."""
        return True


KIND: Final = _Value()
