"""A shield with a volume, which moves its anchor again and again, and remembers what was acknowledged."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from casemate.client.custodian import CustodianClient
from casemate.errors import CustodianError
from casemate.simulator.pki import SimulatedPlatform
from casemate.wire.binding import Purpose, digest_bytes, hpke_key_text, report_data, sha256_text, signing_key_text
from casemate.wire.custodian import CustodianGenesis
from casemate.wire.dsse import POLICY_TYPE, sign_envelope
from casemate.wire.evidence import Endorsements, Evidence
from casemate.wire.fields import b64u_encode, format_time
from casemate.wire.policies import PolicyCreation
from casemate.wire.release import AttestationRequest
from casemate.wire.volumes import UNINITIALISED, VolumeAnswer, VolumeRecord, VolumeRequest

from .author import ACCESS, ALICE, PRINCIPALS, genesis_of
from .processes import MEASUREMENT, manifest


@dataclass
class Writer:
    """`acknowledged` is the newest record that the custodian said it has; `asked` the one that may have come after."""

    platform: SimulatedPlatform
    custodian: CustodianGenesis
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    lease: str = ""
    acknowledged: VolumeRecord = UNINITIALISED
    asked: VolumeRecord | None = None
    moves: int = 0

    def __post_init__(self) -> None:
        self.genesis = genesis_of(self.custodian)
        self.identity = sha256_text(self.genesis)
        self.manifest = manifest(
            role="workload",
            custodian=self.custodian.identity(),
            policy={"name": "acme/records", "genesis": self.identity, "service": "api"},
            volumes=[{"path": "/data"}],
        )

    def begin(self, url: str) -> None:
        """Submits the policy, and gets a lease that outlives the test."""
        with self.client(url, ALICE) as client:
            client.create_policy(PolicyCreation(genesis=self.genesis, submission=self._submission()))
        with self.client(url, self.key) as client:
            self.lease = b64u_encode(client.attest(self._attestation(client.challenge().nonce)).lease.id)

    def client(self, url: str, key: Ed25519PrivateKey | None = None) -> CustodianClient:
        return CustodianClient(url, self.custodian, key or self.key)

    def write(self, url: str, enough: int, reached: threading.Event) -> None:
        """Move after move, until the custodian is gone; `reached` is set after `enough` of them."""
        first = self.moves
        try:
            with self.client(url) as client:
                while True:
                    self.move(client)
                    if self.moves - first == enough:
                        reached.set()
        except CustodianError:
            reached.set()

    def compare(self, url: str) -> VolumeRecord:
        """The record as it is now: the newest that was acknowledged, or the one that nobody answered."""
        with self.client(url) as client:
            found = self._ask(client, {"read": {}}).record
        assert found in (self.acknowledged, self.asked)
        self.acknowledged, self.asked = found, None
        return found

    def move(self, client: CustodianClient) -> None:
        old = self.acknowledged
        generation = str(int(old.generation) + 1)
        root = f"sha256:{generation:0>64}"
        self.asked = VolumeRecord(volume=b"v" * 16, state="active", generation=generation, root=root, fence="1")
        answer = self._ask(client, {"set": {"expected": old.to_object(), "new": self.asked.to_object()}})
        assert (answer.outcome, answer.record) == ("set", self.asked)
        self.acknowledged, self.asked = self.asked, None
        self.moves += 1

    def _ask(self, client: CustodianClient, request: dict[str, Any]) -> VolumeAnswer:
        return client.anchor(self.lease, "records", VolumeRequest.model_validate(request))

    def _submission(self) -> Any:
        document = {
            "casemate": 1,
            "policy": "acme/records",
            "genesis": self.identity,
            "principals": PRINCIPALS,
            "access": ACCESS,
            "services": {
                "api": {
                    "workload": {"manifest": sha256_text(self.manifest)},
                    "runtime": {"measurement": f"sha384:{MEASUREMENT.hex()}"},
                    "platforms": ["simulated"],
                    "volumes": {"/data": {"volume": "records", "mode": "write"}},
                    "lease": "24h",
                }
            },
            "volumes": {"records": {"freshness": "strict", "root": "hash", "accept_anchor": ["insecure_file"]}},
        }
        statement = {
            "casemate_submission": 1,
            "custodian": self.custodian.identity(),
            "genesis": self.identity,
            "expires": format_time(datetime.now(UTC) + timedelta(hours=1)),
            "document": document,
        }
        return sign_envelope(POLICY_TYPE, statement, (ALICE,))

    def _attestation(self, nonce: bytes) -> AttestationRequest:
        signing = signing_key_text(self.key.public_key().public_bytes_raw())
        hpke = hpke_key_text(X25519PrivateKey.generate().public_key().public_bytes_raw())
        digest = sha256_text(self.manifest)
        data = report_data(
            Purpose.RELEASE,
            custodian=self.custodian.identity(),
            nonce=nonce,
            signing_key=signing,
            hpke_key=hpke,
            manifest=digest,
        )
        return AttestationRequest(
            nonce=nonce,
            evidence=Evidence(
                format="sev-snp-report", report=self.platform.report(MEASUREMENT, digest_bytes(digest), data)
            ),
            endorsements=Endorsements(certificates=self.platform.certificate_table, crls=list(self.platform.crls)),
            manifest=self.manifest,
            signing_key=signing,
            hpke_key=hpke,
        )
