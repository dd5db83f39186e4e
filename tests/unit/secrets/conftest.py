"""Specs as documents spell them, and a policy's secrets over several versions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from casemate.errors import SecretError
from casemate.secrets.catalogue import SCHEMAS
from casemate.secrets.keyring import StoredSecret, establish, part, refresh
from casemate.wire.fields import Model

START = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
CA = {"kind": "x509-ca", "common_name": "records CA"}
TLS = {"kind": "x509", "issuer": "ca", "dns": ["api.records"]}


def spec(value: dict[str, Any]) -> Model:
    return SCHEMAS[value["kind"]].spec.model_validate(value)


@dataclass
class Policy:
    """`update` is a new version of the document, at `now`. `opened` are the values that came along, by commitment."""

    secrets: dict[str, StoredSecret] = field(default_factory=dict)
    now: datetime = START
    opened: list[str] = field(default_factory=list)

    def update(self, document: dict[str, dict[str, Any]], sealed: dict[str, bytes] | None = None) -> None:
        specs = {name: spec(value) for name, value in document.items()}
        made = establish(specs, self.secrets, sealed or {}, open_value=self._open, now=self.now)
        self.secrets = {**self.secrets, **made}

    def release(self) -> set[str]:
        """What a release does: renews what is due. Names of those that were."""
        fresh = refresh(self.secrets, self.now)
        self.secrets = {**self.secrets, **fresh}
        return set(fresh)

    def part(self, name: str, wanted: str | None = None) -> bytes:
        return part(self.secrets[name], wanted)

    def certificate(self, name: str) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.part(name, "certificate"))

    def after(self, **time: float) -> None:
        self.now += timedelta(**time)

    def _open(self, name: str, sealed: bytes, commitment: str) -> bytes:
        self.opened.append(commitment)
        if sealed == b"forged":
            raise SecretError("not what was committed to", step="secrets.commitment")
        return sealed


@pytest.fixture
def policy() -> Policy:
    return Policy()
