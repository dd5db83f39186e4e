"""A policy, a manifest and claims that fit each other; tests change one thing and see what happens."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from casemate.claims import VERIFIER_TOKEN, VerifiedClaims
from casemate.policy.genesis import make_genesis
from casemate.policy.model import PolicyDocument, parse_document
from casemate.wire import canonical
from casemate.wire.binding import signing_key_text
from casemate.wire.dsse import POLICY_TYPE, Envelope, sign_envelope
from casemate.wire.fields import Model
from casemate.wire.manifest import Manifest, ParsedManifest
from casemate.wire.policies import PolicyGenesis
from casemate.wire.rules import Access, Principal
from casemate.wire.secrets import SecretSchema, SecretSchemas

NOW = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
CUSTODIAN = "sha256:" + "c" * 64
MEASUREMENT = "sha384:" + "e" * 96


class RandomSpec(Model):
    """Leaves `kind` and `rotate` to the policy."""

    bytes: int


class VolumeKeySpec(Model):
    commitment: str | None = None


class CaSpec(Model):
    kind: Literal["x509-ca"]
    rotate: int = 0
    common_name: str
    issuer: str | None = None


class CertificateSpec(Model):
    kind: Literal["x509"]
    rotate: int = 0
    issuer: str
    dns: list[str] | None = None


SCHEMAS: SecretSchemas = {
    "random": SecretSchema("random", RandomSpec, {"value": True}, lambda _: None),
    "x509-ca": SecretSchema(
        "x509-ca", CaSpec, {"certificate": False}, lambda spec: (spec.issuer, "x509-ca") if spec.issuer else None
    ),
    "x509": SecretSchema(
        "x509",
        CertificateSpec,
        {"private_key": True, "certificate": False},
        lambda spec: (spec.issuer, "x509-ca"),
    ),
    "volume-key": SecretSchema("volume-key", VolumeKeySpec, {"value": True}, lambda _: None),
}


def private_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def public_key(name: str) -> str:
    return signing_key_text(private_key(name).public_key().public_bytes_raw())


def tcb(*versions: int) -> dict[str, int]:
    """Of an AMD platform."""
    return dict(zip(("bootloader", "tee", "snp", "microcode"), versions, strict=True))


@dataclass
class World:
    """All that a decision is made of. `document` and `manifest` are plain values, to be changed by a test."""

    genesis: PolicyGenesis
    document: dict[str, Any]
    manifest: dict[str, Any]
    platform: str = "simulated"
    runtime: str = MEASUREMENT
    tcb: dict[str, int] = field(default_factory=lambda: tcb(4, 0, 24, 219))
    schemas: SecretSchemas = field(default_factory=lambda: SCHEMAS)
    custodian: str = CUSTODIAN
    now: datetime = NOW

    @property
    def service(self) -> dict[str, Any]:
        return self.document["services"]["api"]

    def parsed_manifest(self) -> ParsedManifest:
        return ParsedManifest.build(Manifest.model_validate(self.manifest))

    def approve(self) -> None:
        """The policy names the manifest as it is now."""
        self.service["workload"] = {"manifest": self.parsed_manifest().digest}

    def parsed(self) -> PolicyDocument:
        return parse_document(self.document, self.schemas)

    def claims(self, **changes: Any) -> VerifiedClaims:
        facts = {
            "platform": self.platform,
            "product": "Milan",
            "runtime_measurement": self.runtime,
            "manifest": bytes.fromhex(self.parsed_manifest().digest.removeprefix("sha256:")),
            "report_data": bytes(64),
            "hardware": bytes(64),
            "tcb": self.tcb,
            "values": {"product": "milan", "chip_id": "ab" * 64},
            "verified_at": NOW,
            "token": VERIFIER_TOKEN,
        }
        return VerifiedClaims(**(facts | changes))

    def statement(self, document: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        document = self.document if document is None else document
        value = {
            "casemate_submission": 1,
            "custodian": CUSTODIAN,
            "genesis": self.genesis.identity(),
            "expires": "2026-11-23T09:00:00Z",
            "document": document,
        }
        if "predecessor" in document:
            value["predecessor"] = document["predecessor"]
        return {name: entry for name, entry in (value | changes).items() if entry is not None}

    def sign(self, statement: dict[str, Any], *names: str, payload_type: str = POLICY_TYPE) -> Envelope:
        return sign_envelope(payload_type, statement, [private_key(name) for name in names])

    def successor(self) -> dict[str, Any]:
        """A document that changes the lease, after the present one."""
        document = copy.deepcopy(self.document)
        document["predecessor"] = self.parsed().version
        document["services"]["api"]["lease"] = "60s"
        return document

    def genesis_bytes(self) -> bytes:
        return canonical.encode(self.genesis.to_object())


def make_principals(*names: str) -> dict[str, Principal]:
    return {name: Principal(key=public_key(name)) for name in names}


@pytest.fixture
def world() -> World:
    principals = make_principals("alice", "bob", "carol")
    access = Access.model_validate({"read": {"any": ["alice"]}, "update": {"at_least": 2, "of": [*principals]}})
    genesis = make_genesis("acme/records", principals, access, CUSTODIAN, True, lambda size: bytes(size))
    manifest = {
        "casemate_manifest": 1,
        "role": "workload",
        "custodian": CUSTODIAN,
        "policy": {"name": "acme/records", "genesis": genesis.identity(), "service": "api"},
        "root": [{"path": "/bin/api", "type": "file", "digest": "sha256:" + "a" * 64, "size": 3, "mode": "0555"}],
        "writable": [],
        "mounts": [],
        "files": ["/run/api/key.pem", "/run/api/other"],
        "entrypoint": ["/bin/api"],
        "arguments": ["--name={{ hole.name }}", "--port={{ hole.port }}"],
        "environment": {"PASSWORD": "{{ hole.PASSWORD }}", "MODE": "fast"},
        "holes": {
            "name": {"pattern": "[a-z]+", "from": "policy"},
            "port": {"pattern": "[0-9]+", "from": "host"},
            "PASSWORD": {"pattern": ".+", "from": "policy"},
        },
        "working_directory": "/",
    }
    document = {
        "casemate": 1,
        "policy": "acme/records",
        "genesis": genesis.identity(),
        "principals": {name: {"key": public_key(name)} for name in ("alice", "bob", "carol")},
        "access": {"read": {"any": ["alice"]}, "update": {"at_least": 2, "of": ["alice", "bob", "carol"]}},
        "services": {
            "api": {
                "runtime": {"measurement": MEASUREMENT},
                "platforms": {"simulated": {"tcb": {"snp": 20, "microcode": 200}}},
                "holes": {"name": "records"},
                "environment": {"PASSWORD": "{{ secret.password }}"},
                "files": {"/run/api/key.pem": {"content": "{{ secret.tls.private_key }}", "mode": "0440"}},
                "user": {"uid": 1000, "gid": 1000},
                "lease": "5m",
            }
        },
        "secrets": {
            "password": {"kind": "random", "bytes": 24},
            "image": {"kind": "volume-key"},
            "ca": {"kind": "x509-ca", "common_name": "records CA"},
            "tls": {"kind": "x509", "issuer": "ca", "dns": ["api.records"], "rotate": 1},
        },
    }
    world = World(genesis, document, manifest)
    world.approve()
    return world


@pytest.fixture(scope="session")
def schemas() -> SecretSchemas:
    return SCHEMAS
