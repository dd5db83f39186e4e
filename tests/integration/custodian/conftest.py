"""A custodian in this process with real cryptography: in-memory store, simulated platform, a policy, a shield.

Nothing is mocked: evidence is made and verified, requests and answers are signed and checked, secrets are sealed and
opened. A test changes one thing in what the shield or a person sends, and looks at the answer and at the record.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastapi import FastAPI

from casemate.custodian.app import create_app
from casemate.custodian.app_context import Custodian, OwnEvidence
from casemate.custodian.settings import Settings
from casemate.endorsements.cache import Cache
from casemate.errors import PlatformError
from casemate.simulator import pki
from casemate.wire import canonical, sealing
from casemate.wire.binding import (
    Purpose,
    digest_bytes,
    hpke_key_text,
    release_info,
    report_data,
    sha256_text,
    signing_key_text,
)
from casemate.wire.dsse import POLICY_TYPE, sign_envelope
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import b64u_decode, b64u_encode, format_time
from casemate.wire.manifest import Manifest, ParsedManifest
from casemate.wire.release import Configuration
from casemate.wire.signatures import sign_request, verify_response

from .parts import CustodianParts, make_parts

MEASUREMENT = bytes(range(48))


def private_key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))


def public_key(key: Ed25519PrivateKey) -> str:
    return signing_key_text(key.public_key().public_bytes_raw())


@dataclass
class Answer:
    """An answer that verified. `data` is its JSON."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value

    @property
    def code(self) -> str:
        return str(self.data.get("code"))


@dataclass
class Caller:
    """Somebody with a key. Signs what it asks, and believes no answer that is not the custodian's."""

    app: FastAPI
    parts: CustodianParts
    key: Ed25519PrivateKey
    address: str = "192.0.2.1"

    async def ask(
        self,
        method: str,
        path: str,
        value: object = None,
        *,
        query: str = "",
        body: bytes | None = None,
        created: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        data = body if body is not None else b"" if value is None else json.dumps(value).encode()
        moment = created if created is not None else int((await self.parts.state.now()).timestamp())
        signed = sign_request(
            self.key, method=method, path=path, query=query, body=data, created=moment, nonce=os.urandom(16)
        ).as_headers()
        sent = {"content-type": "application/json", **signed, **(headers or {})}
        transport = httpx.ASGITransport(app=self.app, client=(self.address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://custodian") as client:
            url = path + (f"?{query}" if query else "")
            reply = await client.request(method, url, content=data, headers=sent)
        lower = {name.lower(): text for name, text in reply.headers.items()}
        instance = self.parts.instance.signing_key()
        assert lower["casemate-instance"] == instance.header
        verify_response(
            lower,
            status=reply.status_code,
            body=reply.content,
            request_signature=signed["signature"],
            instance_key=instance.text,
        )
        return Answer(reply.status_code, reply.headers, reply.content)


@dataclass
class Shield:
    """A domain on the simulated platform, with fresh keys. `request` is what it would send; tests change it."""

    house: House
    manifest: bytes
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    hpke: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)

    @property
    def caller(self) -> Caller:
        return self.house.caller(self.signing)

    @property
    def hpke_text(self) -> str:
        return hpke_key_text(self.hpke.public_key().public_bytes_raw())

    async def nonce(self) -> bytes:
        answer = await self.caller.ask("POST", "/v1/challenges", {})
        assert answer.status == 200
        return b64u_decode(answer.data["nonce"])

    def report_data(self, nonce: bytes, /, **change: Any) -> bytes:
        facts: dict[str, Any] = {
            "purpose": Purpose.RELEASE,
            "custodian": self.house.parts.identity.identity,
            "nonce": nonce,
            "signing_key": public_key(self.signing),
            "hpke_key": self.hpke_text,
            "manifest": sha256_text(self.manifest),
            **change,
        }
        return report_data(facts.pop("purpose"), **facts)

    def evidence(self, nonce: bytes, /, *, report: dict[str, Any] | None = None, **change: Any) -> dict[str, Any]:
        platform = self.house.platform
        made: dict[str, Any] = {
            "measurement": MEASUREMENT,
            "host_data": digest_bytes(sha256_text(self.manifest)),
            "report_data": self.report_data(nonce, **change),
            **(report or {}),
        }
        crls = [b64u_encode(crl) for crl in platform.crls]
        return {
            "evidence": {"format": "sev-snp-report", "report": b64u_encode(platform.report(**made))},
            "endorsements": {"certificates": b64u_encode(platform.certificate_table), "crls": crls},
        }

    async def request(self, nonce: bytes | None = None, **how: Any) -> dict[str, Any]:
        nonce = nonce or await self.nonce()
        return {
            "nonce": b64u_encode(nonce),
            **self.evidence(nonce, **how),
            "manifest": b64u_encode(self.manifest),
            "signing_key": public_key(self.signing),
            "hpke_key": self.hpke_text,
        }

    async def attest(self, request: dict[str, Any] | None = None, **how: Any) -> Answer:
        wanted = request or await self.request(**how)
        return await self.caller.ask("POST", "/v1/attestations", wanted)

    def open(self, request: dict[str, Any], answer: Answer) -> Configuration:
        """The configuration, opened as the shield does."""
        info = release_info(
            custodian=self.house.parts.identity.identity,
            nonce=b64u_decode(request["nonce"]),
            manifest=sha256_text(self.manifest),
            policy_genesis=answer.data["policy"]["genesis"],
            policy_version=answer.data["policy"]["version"],
            signing_key=public_key(self.signing),
        )
        plain = sealing.open_sealed(b64u_decode(answer.data["configuration"]), self.hpke, info=info)
        return canonical.parse_model(Configuration, canonical.decode_canonical(plain), what="configuration")

    async def renew(self, lease: str, sequence: int) -> Answer:
        return await self.caller.ask("POST", f"/v1/leases/{lease}/renewals", {"sequence": sequence})


@dataclass
class House:
    """The custodian, its platform and the people around it."""

    app: FastAPI
    parts: CustodianParts
    platform: pki.SimulatedPlatform
    alice: Ed25519PrivateKey = field(default_factory=lambda: private_key("alice"))
    bob: Ed25519PrivateKey = field(default_factory=lambda: private_key("bob"))
    stranger: Ed25519PrivateKey = field(default_factory=lambda: private_key("stranger"))

    @property
    def custodian(self) -> Custodian:
        found: Custodian = self.app.state.custodian
        return found

    def caller(self, key: Ed25519PrivateKey, address: str = "192.0.2.1") -> Caller:
        return Caller(self.app, self.parts, key, address)

    def genesis(self, name: str = "acme/records", *, owner: Ed25519PrivateKey | None = None, **change: Any) -> bytes:
        value = {
            "casemate_genesis": 1,
            "policy": name,
            "custodian": self.parts.identity.identity,
            "principals": {"alice": {"key": public_key(owner or self.alice)}},
            "access": {"read": {"any": ["alice"]}, "update": {"any": ["alice"]}},
            "insecure_simulation": True,
            "random": b64u_encode(os.urandom(32)),
            **change,
        }
        return canonical.encode(value)

    def manifest(self, genesis: bytes, **change: Any) -> bytes:
        value = {
            "casemate_manifest": 1,
            "role": "workload",
            "custodian": self.parts.identity.identity,
            "policy": {"name": json.loads(genesis)["policy"], "genesis": sha256_text(genesis), "service": "api"},
            "root": [{"path": "/bin/x", "type": "file", "digest": "sha256:" + "0" * 64, "size": 1, "mode": "0555"}],
            "writable": [],
            "mounts": [],
            "files": ["/run/key"],
            "entrypoint": ["/bin/x"],
            "arguments": ["--port", "{{ hole.port }}"],
            "environment": {"PASSWORD": "{{ hole.PASSWORD }}"},
            "holes": {
                "PASSWORD": {"pattern": "[A-Za-z0-9_-]+", "from": "policy"},
                "port": {"pattern": "[0-9]+", "from": "policy"},
            },
            "user": {"uid": 1000, "gid": 1000},
            "working_directory": "/",
            **change,
        }
        return ParsedManifest.build(Manifest.model_validate({k: v for k, v in value.items() if v is not None})).data

    def document(self, genesis: bytes, manifest: bytes, **change: Any) -> dict[str, Any]:
        record = json.loads(genesis)
        return {
            "casemate": 1,
            "policy": record["policy"],
            "genesis": sha256_text(genesis),
            "principals": record["principals"],
            "access": record["access"],
            "services": {
                "api": {
                    "workload": {"manifest": sha256_text(manifest)},
                    "runtime": {"measurement": f"sha384:{MEASUREMENT.hex()}"},
                    "platforms": ["simulated"],
                    "holes": {"port": "8080"},
                    "environment": {"PASSWORD": "{{ secret.password }}"},
                    "files": {"/run/key": {"content": "{{ secret.key.private_key }}", "mode": "0400"}},
                    "lease": "300s",
                }
            },
            "secrets": {
                "password": {"kind": "random", "bytes": 24, "encoding": "base64url"},
                "key": {"kind": "private-key", "algorithm": "ed25519"},
            },
            **change,
        }

    def envelope(
        self,
        document: dict[str, Any],
        /,
        *signers: Ed25519PrivateKey,
        payload_type: str = POLICY_TYPE,
        **change: Any,
    ) -> dict[str, Any]:
        statement: dict[str, Any] = {
            "casemate_submission": 1,
            "custodian": self.parts.identity.identity,
            "genesis": document["genesis"],
            "expires": format_time(datetime.now(UTC) + timedelta(hours=1)),
            "document": document,
        }
        if "predecessor" in document:
            statement["predecessor"] = document["predecessor"]
        return sign_envelope(payload_type, {**statement, **change}, signers or (self.alice,)).to_object()

    async def create(
        self, genesis: bytes, document: dict[str, Any], *signers: Ed25519PrivateKey, **more: Any
    ) -> Answer:
        body = {"genesis": b64u_encode(genesis), "submission": self.envelope(document, *signers), **more}
        return await self.caller(self.alice).ask("POST", "/v1/policies", body)

    async def update(self, document: dict[str, Any], *signers: Ed25519PrivateKey, **more: Any) -> Answer:
        body = {"submission": self.envelope(document, *signers), **more}
        return await self.caller(self.alice).ask("POST", f"/v1/policies/{document['genesis']}/versions", body)

    async def why(self, decision: str) -> dict[str, Any]:
        """The recorded decision, as a principal with `read` sees it."""
        answer = await self.caller(self.alice).ask("GET", f"/v1/decisions/{decision}")
        assert answer.status == 200, answer.body
        return answer.data


@dataclass
class Story:
    """A policy that was submitted, and a shield that it admits."""

    house: House
    genesis: bytes
    manifest: bytes
    document: dict[str, Any]
    version: str

    @property
    def identity(self) -> str:
        return sha256_text(self.genesis)

    def shield(self, manifest: bytes | None = None) -> Shield:
        return Shield(self.house, manifest or self.manifest)

    def next(self, **change: Any) -> dict[str, Any]:
        """The next version's document."""
        return {**copy.deepcopy(self.document), "predecessor": self.version, **change}

    async def accept(self, document: dict[str, Any], **more: Any) -> None:
        answer = await self.house.update(document, **more)
        assert answer.status == 201, answer.body
        self.document, self.version = document, answer.data["version"]

    async def change_service(self, **change: Any) -> None:
        service = {**self.document["services"]["api"], **change}
        await self.accept(self.next(services={"api": service}))


class OwnDomain:
    """The evidence source of a custodian that runs on the simulated platform."""

    def __init__(self, platform: pki.SimulatedPlatform, manifest: bytes) -> None:
        self._platform = platform
        self.manifest = manifest
        self.broken = False

    async def evidence(self, *, nonce: bytes, custodian: str, signing_key: str, hpke_key: str) -> OwnEvidence:
        if self.broken:
            raise PlatformError("the platform does not answer")
        digest = sha256_text(self.manifest)
        data = report_data(
            Purpose.CUSTODIAN,
            custodian=custodian,
            nonce=nonce,
            signing_key=signing_key,
            hpke_key=hpke_key,
            manifest=digest,
        )
        report = self._platform.report(measurement=MEASUREMENT, host_data=digest_bytes(digest), report_data=data)
        return OwnEvidence(
            Evidence(format="sev-snp-report", report=report),
            Endorsements(certificates=self._platform.certificate_table, crls=list(self._platform.crls)),
            self.manifest,
        )


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> pki.SimulatedPlatform:
    """One platform for all tests: its RSA keys take seconds to make."""
    return pki.create(tmp_path_factory.mktemp("own") / "platform")


@pytest.fixture(scope="session")
def other_platform(tmp_path_factory: pytest.TempPathFactory) -> pki.SimulatedPlatform:
    """A platform whose root nobody here pinned."""
    return pki.create(tmp_path_factory.mktemp("other") / "platform")


@pytest.fixture
def house(platform: pki.SimulatedPlatform) -> House:
    parts = make_parts(platform.root_fingerprint)
    return House(make_app(parts, platform), parts, platform)


def make_app(
    parts: CustodianParts,
    platform: pki.SimulatedPlatform,
    settings: Settings | None = None,
    endorsements: Cache | None = None,
) -> FastAPI:
    return create_app(
        parts.state,
        parts.identity,
        parts.instance,
        settings or Settings(),
        OwnDomain(platform, b"{}"),
        ticket_key=os.urandom(32),
        endorsements=endorsements,
    )


@pytest.fixture
async def story(house: House) -> Story:
    """alice's policy `acme/records` with a service `api`."""
    genesis = house.genesis()
    manifest = house.manifest(genesis)
    document = house.document(genesis, manifest)
    answer = await house.create(genesis, document)
    assert answer.status == 201, answer.body
    return Story(house, genesis, manifest, document, answer.data["version"])
