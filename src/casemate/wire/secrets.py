"""What a policy may know about a kind of secret: its fields, the parts that templates can name, what it refers to.

`casemate.secrets` implements kinds and hands their schemas in; `casemate.policy` judges documents with them. Neither
imports the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from casemate.wire.fields import Model

__all__ = ["SecretSchema", "SecretSchemas"]


@dataclass(frozen=True, slots=True)
class SecretSchema:
    """`parts`: name of a part → whether it is confidential; the first is what `{{ secret.name }}` means.

    `issuer`: for a spec of this kind, the name of the secret that it is issued by, and the kind that one must be.
    """

    kind: str
    spec: type[Model]
    parts: Mapping[str, bool]
    issuer: Callable[[Any], tuple[str, str] | None]


SecretSchemas = Mapping[str, SecretSchema]
