"""Making the secrets of a policy once, keeping them over updates, renewing what ends.

Pure but for randomness: specs, stored secrets, sealed values and the time come in, what is to be stored goes out.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, cast

from pydantic import Field

from casemate.errors import SecretError
from casemate.secrets.catalogue import kind as kind_named
from casemate.secrets.kind import Kind, Making, Material, Spec
from casemate.wire import canonical
from casemate.wire.fields import Bytes, Model, Time

__all__ = ["MAX_STORED_BYTES", "OpenValue", "StoredSecret", "establish", "part", "refresh"]

MAX_STORED_BYTES = 2 * 1024 * 1024
"""A value has at most what one request can carry; keys and certificates have some KiB."""

OpenValue = Callable[[str, bytes, str], bytes]
"""(name, sealed, commitment) → the value, checked against the commitment; `SecretError` otherwise."""


class StoredSecret(Model):
    """A secret as it is kept. `spec` is what it was made for; `material` is never shown."""

    kind: str
    spec: dict[str, Any]
    material: Annotated[dict[str, Bytes], Field(repr=False)]
    made_at: Time

    @property
    def rotate(self) -> int:
        return int(self.spec.get("rotate", 0))

    def to_bytes(self) -> bytes:
        return canonical.encode(self.to_object())

    @classmethod
    def from_bytes(cls, data: bytes) -> StoredSecret:
        value = canonical.decode(data, limit=MAX_STORED_BYTES)
        return canonical.parse_model(cls, value, what="stored secret")


def establish(
    specs: Mapping[str, Model],
    previous: Mapping[str, StoredSecret],
    sealed: Mapping[str, bytes],
    *,
    open_value: OpenValue,
    now: datetime,
    rng: Callable[[int], bytes] = secrets.token_bytes,
) -> dict[str, StoredSecret]:
    """The secrets of a version: kept where they were there, made where they are new or rotated on purpose.

    `SecretError` for a change of fields without `rotate`, a `rotate` that shrinks, a value that does not fit its
    commitment, and a sealed value that nobody asked for.
    """
    if unknown := sorted(set(sealed) - {name for name, spec in specs.items() if _is_brought(spec)}):
        raise SecretError(
            f"a sealed value for {unknown[0]}, which is no secret with a commitment here",
            step="secrets.sealed",
            remedy="leave it out, or name the secret in the document",
        )
    done: dict[str, StoredSecret] = {}
    for name in _issuers_first(specs):
        done[name] = _one(name, _spec(specs[name]), previous.get(name), done, sealed, open_value, now, rng)
    return done


def refresh(stored: Mapping[str, StoredSecret], now: datetime) -> dict[str, StoredSecret]:
    """Those of `stored` that were due, made anew with the same keys."""
    fresh: dict[str, StoredSecret] = {}
    for name, secret in stored.items():
        kind = kind_named(secret.kind)
        spec = _stored_spec(kind, secret)
        if kind.schema.issuer(spec) is not None:
            making = _making(name, kind, spec, stored, now, secrets.token_bytes, _no_value)
            renewed = kind.renew(spec, dict(secret.material), making)
            if renewed is not None:
                fresh[name] = secret.model_copy(update={"material": renewed})
    return fresh


def part(stored: StoredSecret, name: str | None) -> bytes:
    """A part that templates may name; None is the first."""
    parts = kind_named(stored.kind).schema.parts
    wanted = next(iter(parts)) if name is None else name
    if wanted not in parts:
        raise SecretError(
            f"a secret of kind {stored.kind} has no part {wanted}", step="secrets.part", expected=", ".join(parts)
        )
    return stored.material[wanted]


def _one(
    name: str,
    spec: Spec,
    old: StoredSecret | None,
    done: Mapping[str, StoredSecret],
    sealed: Mapping[str, bytes],
    open_value: OpenValue,
    now: datetime,
    rng: Callable[[int], bytes],
) -> StoredSecret:
    kind = kind_named(spec.kind)

    def value(commitment: str) -> bytes:
        if name not in sealed:
            raise SecretError(
                f"the value of {name} did not come along",
                step="secrets.sealed",
                remedy=f"seal it with: casemate policy seal POLICY {name} …, and submit with --sealed",
            )
        return open_value(name, sealed[name], commitment)

    making = _making(name, kind, spec, done, now, rng, value)
    if old is None or _is_new(name, kind, spec, old):
        return _stored(spec, kind.generate(spec, making), now)
    # Kept. A certificate follows its CA where that one was rotated.
    renewed = kind.renew(spec, dict(old.material), making)
    return old if renewed is None else old.model_copy(update={"material": renewed})


def _is_new(name: str, kind: Kind, spec: Spec, old: StoredSecret) -> bool:
    """Whether the owner wants another secret; `SecretError` where that would be an accident."""
    fields = spec.to_object()
    if fields == old.spec:
        return False
    if old.kind == spec.kind and spec.rotate == old.rotate and kind.may_become(_stored_spec(kind, old), spec):
        return True
    if spec.rotate > old.rotate:
        return True
    raise SecretError(
        f"{name} would change, and secrets never change by accident",
        step="secrets.rotate",
        expected=f"the fields as they were, or rotate: {old.rotate + 1}",
        got=f"rotate: {spec.rotate}",
        remedy=f"write rotate: {old.rotate + 1} if a new secret is wanted",
    )


def _making(
    name: str,
    kind: Kind,
    spec: Any,
    others: Mapping[str, StoredSecret],
    now: datetime,
    rng: Callable[[int], bytes],
    value: Callable[[str], bytes],
) -> Making:
    wanted = kind.schema.issuer(spec)
    issuer = others.get(wanted[0]) if wanted else None
    return Making(name, now, rng, issuer.material if issuer else None, value)


def _stored(spec: Spec, material: Material, now: datetime) -> StoredSecret:
    return StoredSecret(kind=spec.kind, spec=spec.to_object(), material=material, made_at=now.replace(microsecond=0))


def _stored_spec(kind: Kind, stored: StoredSecret) -> Spec:
    return cast("Spec", canonical.parse_model(kind.schema.spec, stored.spec, what="stored secret"))


def _spec(spec: Model) -> Spec:
    assert isinstance(spec, Spec)
    return spec


def _is_brought(spec: Model) -> bool:
    """Whether the owner brings it, as its commitment says."""
    return getattr(spec, "commitment", None) is not None


def _issuers_first(specs: Mapping[str, Model]) -> list[str]:
    """Names in an order in which each issuer comes before what it issues. Documents have no circles."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name in ordered or name not in specs:
            return
        wanted = kind_named(_spec(specs[name]).kind).schema.issuer(specs[name])
        if wanted is not None:
            visit(wanted[0])
        ordered.append(name)

    for name in sorted(specs):
        visit(name)
    return ordered


def _no_value(_commitment: str) -> bytes:
    raise SecretError("a value cannot be renewed", step="secrets.sealed")
